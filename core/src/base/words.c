/* Splitting shell text into words (POSIX.1-2017, Shell Command Language, 2.2 and 2.3). */
#include "words.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool ends_word(char c)
{
    return is_blank(c) || (c != '\0' && memchr("\n;&|()<>", c, 8) != NULL);
}

static bool is_redirection(char c)
{
    return c == '<' || c == '>';
}

/* The skip functions return a position in text, at most its length, so that text which ends too
 * early (an open quote) simply ends there. */

static size_t skip_to(struct tel_str text, size_t at, char close)
{
    while (at < text.len && text.ptr[at] != close)
        at += text.ptr[at] == '\\' && close != '\'' ? 2 : 1;
    return at < text.len ? at + 1 : text.len;
}

/* at is behind "$(". */
static size_t skip_substitution(struct tel_str text, size_t at)
{
    int depth = 1;

    while (at < text.len && depth > 0) {
        depth += (text.ptr[at] == '(') - (text.ptr[at] == ')');
        at++;
    }
    return at;
}

static size_t skip_dollar(struct tel_str text, size_t at)
{
    char next = at + 1 < text.len ? text.ptr[at + 1] : '\0';

    if (next == '(')
        return skip_substitution(text, at + 2);
    return next == '{' ? skip_to(text, at + 2, '}') : at + 1;
}

/* One character, or one quoted stretch. */
static size_t skip_piece(struct tel_str text, size_t at)
{
    switch (text.ptr[at]) {
    case '\\':
        return at + 2 < text.len ? at + 2 : text.len;
    case '\'':
    case '"':
    case '`':
        return skip_to(text, at + 1, text.ptr[at]);
    case '$':
        return skip_dollar(text, at);
    default:
        return at + 1;
    }
}

static struct tel_str take_word(struct tel_str *text)
{
    size_t len = 0;
    struct tel_str word;

    while (len < text->len && !ends_word(text->ptr[len]))
        len = skip_piece(*text, len);
    word = (struct tel_str){text->ptr, len};
    *text = tel_str_from_pos(*text, len);
    return word;
}

static struct tel_str without_quotes(struct tel_str word)
{
    char quote = word.len >= 2 ? word.ptr[0] : '\0';

    if ((quote != '\'' && quote != '"') || skip_piece(word, 0) != word.len ||
        word.ptr[word.len - 1] != quote)
        return word;
    return (struct tel_str){word.ptr + 1, word.len - 2};
}

static void skip_blanks(struct tel_str *text)
{
    while (text->len > 0) {
        if (is_blank(text->ptr[0]))
            *text = tel_str_from_pos(*text, 1);
        else if (text->len >= 2 && text->ptr[0] == '\\' && text->ptr[1] == '\n')
            *text = tel_str_from_pos(*text, 2);
        else
            return;
    }
}

/* "2>&1", ">> file": number, operator and target. False when text begins with none. */
static bool skip_redirection(struct tel_str *text)
{
    size_t at = 0;

    while (at < text->len && text->ptr[at] >= '0' && text->ptr[at] <= '9')
        at++;
    if (at == text->len || !is_redirection(text->ptr[at]))
        return false;
    while (at < text->len && (is_redirection(text->ptr[at]) || text->ptr[at] == '&'))
        at++;
    *text = tel_str_from_pos(*text, at);
    skip_blanks(text);
    take_word(text);
    return true;
}

static void skip_comment(struct tel_str *text)
{
    ptrdiff_t newline = tel_str_find(*text, '\n');

    *text = tel_str_from_pos(*text, newline < 0 ? text->len : (size_t)newline);
}

static bool next_of_text(struct tel_str *text, struct tel_str *word)
{
    do {
        skip_blanks(text);
    } while (skip_redirection(text));
    if (text->len > 0 && text->ptr[0] == '#')
        skip_comment(text);
    if (text->len == 0 || ends_word(text->ptr[0]))
        return false;
    *word = without_quotes(take_word(text));
    return true;
}

bool tel_words_next(struct tel_words *words, struct tel_str *word)
{
    if (next_of_text(&words->text, word))
        return true;
    if (words->shell || words->argc <= 0 || words->argv == NULL || words->argv[0] == NULL)
        return false;
    *word = tel_str_from(words->argv[0]);
    words->argv++;
    words->argc--;
    return true;
}

bool tel_words_next_command(struct tel_words *words)
{
    struct tel_str word;

    while (next_of_text(&words->text, &word))
        ;
    while (words->text.len > 0 && ends_word(words->text.ptr[0]))
        words->text = tel_str_from_pos(words->text, 1);
    return words->text.len > 0;
}
