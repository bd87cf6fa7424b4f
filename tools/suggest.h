/* "Did you mean ...?": the word of a list that a mistyped one is nearest to. */
#ifndef SUGGEST_H
#define SUGGEST_H

struct suggestion {
    const char *word;
    const char *best; /* NULL: nothing near enough has been offered */
    unsigned distance;
};

struct suggestion suggest_for(const char *word);
void suggest_offer(struct suggestion *suggestion, const char *candidate);

#endif
