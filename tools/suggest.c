/* See suggest.h. The distance counts insertions, deletions, replacements and swapped neighbours
 * (optimal string alignment). */
#include "suggest.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 40 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned distance_of(const char *a, const char *b)
{
    const size_t a_len = strlen(a);
    const size_t b_len = strlen(b);
    unsigned cost[LONGEST + 1][LONGEST + 1];

    if (a_len > LONGEST || b_len > LONGEST)
        return UINT_MAX;
    for (size_t i = 0; i <= a_len; i++)
        cost[i][0] = (unsigned)i;
    for (size_t j = 0; j <= b_len; j++)
        cost[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        for (size_t j = 1; j <= b_len; j++) {
            const unsigned replaced = cost[i - 1][j - 1] + !same(a[i - 1], b[j - 1]);

            cost[i][j] = least(replaced, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a_len][b_len];
}

struct suggestion suggest_for(const char *word)
{
    /* A third of the letters may be wrong; in a short word, one. */
    const unsigned third = (unsigned)strlen(word) / 3;

    return (struct suggestion){word, NULL, (third > 0 ? third : 1) + 1};
}

void suggest_offer(struct suggestion *suggestion, const char *candidate)
{
    const size_t len = strlen(suggestion->word);
    unsigned distance = distance_of(suggestion->word, candidate);

    if (len >= 2 && strncasecmp(suggestion->word, candidate, len) == 0)
        distance = 1; /* the beginning of it */
    if (distance < suggestion->distance) {
        suggestion->best = candidate;
        suggestion->distance = distance;
    }
}
