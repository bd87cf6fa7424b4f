/* Writing a command line without the secrets in it. What is hidden is decided by names alone
 * (--password, DB_TOKEN=, "Authorization:") and by the options of programs known to take secrets.
 * In doubt it is hidden. Texts that are command lines themselves (sh -c '...') are read word by
 * word. */
#include "mask.h"

#include <string.h>

#include "json_write.h"

static const char hidden[] = "***";

/* --- names of secrets ----------------------------------------------------------------------- */

/* All compared with names in lower case without anything but letters and digits. */
static const char secret_parts[] =
    "password passwd passphrase secret apikey accesskey privatekey signingkey encryptionkey "
    "accountkey masterkey credential authorization connectionstring";
static const char secret_ends[] =
    "token tokens pass passin passout pwd auth bearer cookie jwt otp passcode";
static const char secret_words[] = "pw";
/* What only sounds like one: --token-file, --password-stdin, --max-tokens, --bypass. */
static const char harmless_ends[] =
    "file path dir stdin fd type length policy bypass compass maxtokens mintokens numtokens "
    "newtokens ntokens maxtoken";
/* Flags without a value. */
static const char harmless_starts[] = "no- skip- ask- prompt- without-";

static bool ends_with(struct tel_str text, struct tel_str end)
{
    return text.len >= end.len && tel_str_equal(tel_str_from_pos(text, text.len - end.len), end);
}

static bool contains(struct tel_str text, struct tel_str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (memcmp(text.ptr + i, part.ptr, part.len) == 0)
            return true;
    }
    return false;
}

static bool starts_with(struct tel_str text, struct tel_str start)
{
    return text.len >= start.len && memcmp(text.ptr, start.ptr, start.len) == 0;
}

static bool any_item(const char *list, struct tel_str text,
                     bool (*test)(struct tel_str, struct tel_str))
{
    struct tel_str rest = tel_str_from(list);
    struct tel_str item;

    while (tel_str_take_item(&rest, &item)) {
        if (test(text, item))
            return true;
    }
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    char folded = (char)(c | 0x20);

    return folded >= 'a' && folded <= 'z';
}

/* The last cap letters and digits of name, in lower case. */
static struct tel_str fold_name(struct tel_str name, char *memory, size_t cap)
{
    size_t at = cap;

    for (size_t i = name.len; i > 0 && at > 0; i--) {
        char c = name.ptr[i - 1];

        if (is_letter(c))
            memory[--at] = (char)(c | 0x20);
        else if (is_digit(c))
            memory[--at] = c;
    }
    return (struct tel_str){memory + at, cap - at};
}

static bool is_secret_name(struct tel_str name)
{
    char memory[64];
    struct tel_str folded = fold_name(name, memory, sizeof(memory));

    /* The shell's working directories. */
    if (tel_str_is(name, "PWD") || tel_str_is(name, "OLDPWD"))
        return false;
    if (any_item(harmless_ends, folded, ends_with))
        return false;
    return any_item(secret_parts, folded, contains) || any_item(secret_ends, folded, ends_with) ||
           tel_str_in_list(folded, secret_words);
}

static bool is_secret_option(struct tel_str option)
{
    while (option.len > 0 && option.ptr[0] == '-')
        option = tel_str_from_pos(option, 1);
    return is_secret_name(option) && !any_item(harmless_starts, option, starts_with);
}

/* Tokens that can be told by their looks. */
static bool is_known_token(struct tel_str word)
{
    static const char prefixes[] =
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xoxb- xoxp- xapp- hvs. eyJhbGci";
    enum { SHORTEST = 20 };

    return word.len >= SHORTEST && any_item(prefixes, word, starts_with);
}

/* --- programs whose short options take secrets ---------------------------------------------- */

/* What a short option takes: its separator where that is user and secret with one between them. */
enum secret_form {
    ATTACHED = 'A', /* -psecret only; -p alone asks for it */
    VALUE = 'V'     /* -psecret or -p secret */
};

struct tool {
    char form;
    const char *letters;
    const char *names;
};

#define TOOL(form, letters, names) form letters "\0" names "\0"

static const char tools[] =
    TOOL("A", "p", "mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlpump")
        TOOL("A", "p", "mariadb mariadb-dump mariadb-admin mariadb-import mariadb-check")
            TOOL("A", "p", "7z 7za 7zr 7zz rar unrar")
                TOOL("V", "p", "sshpass login mongo mongosh mongodump mongorestore mongoexport")
                    TOOL("V", "P", "sqlcmd bcp isql tsql zip unzip ipmitool") TOOL(
                        "V", "w", "ldapsearch ldapadd ldapmodify ldapdelete ldappasswd ldapwhoami")
                        TOOL("V", "a", "redis-cli")
                            TOOL("V", "cAX", "snmpget snmpwalk snmpset snmpbulkwalk")
                                TOOL(":", "uU", "curl") TOOL("%", "U", "smbclient")
                                    TOOL(",", "u", "lftp");

static bool find_tool(struct tool *out, struct tel_str name)
{
    for (const char *at = tools; *at != '\0'; at = out->names + strlen(out->names) + 1) {
        out->form = *at;
        out->letters = at + 1;
        out->names = out->letters + strlen(out->letters) + 1;
        if (tel_str_in_list(name, out->names))
            return true;
    }
    return false;
}

static bool takes_login(const struct tool *tool)
{
    return tool->form != 0 && tool->form != ATTACHED && tool->form != VALUE;
}

/* --- one command line ----------------------------------------------------------------------- */

enum expectation { NOTHING, SECRET, USER_AND_SECRET };

struct masker {
    struct tel_buf *out;
    size_t room;           /* bytes of argument text that may still be written */
    bool full;             /* something did not fit */
    struct tool tool;      /* the last one met: whose options are being read; form 0: none yet */
    enum expectation next; /* what the next word is */
    bool script;           /* the argument is a script, as in sh -c */
};

/* One argument. */
struct scan {
    struct masker *masker;
    struct tel_str text;
    size_t at;
    size_t written; /* everything before this position has been dealt with */
    bool bare;      /* so far nothing but names and '=': a value may go on to the very end */
};

static void emit(struct masker *masker, struct tel_str text)
{
    struct tel_str fitting = tel_str_cut_utf8(text, masker->room);

    if (masker->full)
        return;
    tel_json_put_escaped(masker->out, fitting);
    masker->room -= fitting.len;
    if (fitting.len < text.len) {
        masker->full = true;
        tel_json_put_escaped(masker->out, TEL_STR("…"));
    }
}

static void flush(struct scan *scan, size_t to)
{
    emit(scan->masker, (struct tel_str){scan->text.ptr + scan->written, to - scan->written});
    scan->written = to;
}

static void hide(struct scan *scan, size_t from, size_t to)
{
    if (to > from) {
        flush(scan, from);
        emit(scan->masker, TEL_STR(hidden));
        scan->written = to;
    }
    scan->at = to;
}

/* '\0' behind the end. */
static char char_at(const struct scan *scan, size_t at)
{
    return at < scan->text.len ? scan->text.ptr[at] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

static bool is_operator(char c)
{
    return c == ';' || c == '&' || c == '|';
}

static bool is_name_char(char c)
{
    return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}

static size_t find_quote(const struct scan *scan, size_t from, char quote)
{
    ptrdiff_t at = tel_str_find(tel_str_from_pos(scan->text, from), quote);

    return at < 0 ? scan->text.len : from + (size_t)at;
}

/* Where the value that begins at from ends: at the quote that closes it, or before the next blank
 * or operator; quoted stretches within it belong to it. */
static size_t value_end(const struct scan *scan, size_t from)
{
    size_t at = from;

    if (scan->bare && !scan->masker->script)
        return scan->text.len;
    if (from > 0 && is_quote(scan->text.ptr[from - 1]))
        return find_quote(scan, from, scan->text.ptr[from - 1]);
    while (at < scan->text.len && !is_space(scan->text.ptr[at]) &&
           !is_operator(scan->text.ptr[at])) {
        size_t close = is_quote(scan->text.ptr[at]) ? find_quote(scan, at + 1, scan->text.ptr[at])
                                                    : scan->text.len;

        at = close < scan->text.len ? close + 1 : at + 1;
    }
    return at;
}

/* The header's value: to the closing quote or the line's end. */
static size_t header_end(const struct scan *scan, size_t from)
{
    size_t at = from;

    if (scan->bare && !scan->masker->script)
        return scan->text.len;
    while (at < scan->text.len && scan->text.ptr[at] != '\n' && !is_quote(scan->text.ptr[at]))
        at++;
    return at;
}

/* --- rules for the beginning of a word ------------------------------------------------------ */

static bool at_word_start(const struct scan *scan)
{
    char before = scan->at == 0 ? ' ' : scan->text.ptr[scan->at - 1];

    return (is_space(before) || is_quote(before) || is_operator(before) || before == '(') &&
           !is_space(scan->text.ptr[scan->at]);
}

/* The word up to a '=', if there is one. */
static struct tel_str word_at(const struct scan *scan)
{
    size_t end = scan->at;

    while (end < scan->text.len && !is_space(scan->text.ptr[end]) &&
           !is_quote(scan->text.ptr[end]) && !is_operator(scan->text.ptr[end]) &&
           scan->text.ptr[end] != '=')
        end++;
    return (struct tel_str){scan->text.ptr + scan->at, end - scan->at};
}

/* A value that begins with a dash is rarer than an option whose value was left out. */
static bool looks_like_option(struct tel_str word)
{
    if (word.len < 2 || word.ptr[0] != '-')
        return false;
    return word.len == 2 || (word.ptr[1] == '-' && is_letter(word.ptr[2]));
}

static void hide_login(struct scan *scan, size_t from, size_t to)
{
    const struct tool *tool = &scan->masker->tool;
    char separator = (char)(takes_login(tool) ? tool->form : ':');
    ptrdiff_t at = tel_str_find((struct tel_str){scan->text.ptr + from, to - from}, separator);

    hide(scan, at < 0 ? to : from + (size_t)at + 1, to);
}

/* The word that an option before it announced. */
static bool take_expected(struct scan *scan)
{
    enum expectation expected = scan->masker->next;

    if (expected == NOTHING || is_quote(scan->text.ptr[scan->at]))
        return false; /* a value begins behind its quote */
    scan->masker->next = NOTHING;
    if (looks_like_option(word_at(scan)))
        return false;
    if (expected == SECRET)
        hide(scan, scan->at, value_end(scan, scan->at));
    else
        hide_login(scan, scan->at, value_end(scan, scan->at));
    return true;
}

static bool take_tool_option(struct scan *scan, struct tel_str word)
{
    const struct tool *tool = &scan->masker->tool;
    size_t value = scan->at + 2;

    if (tool->form == 0 || word.len < 2 || word.ptr[1] == '-')
        return false;
    if (memchr(tool->letters, word.ptr[1], strlen(tool->letters)) == NULL)
        return false;
    if (word.len > 2 || is_quote(char_at(scan, value))) {
        if (takes_login(tool))
            hide_login(scan, value, value_end(scan, value));
        else
            hide(scan, value, value_end(scan, value));
        return true;
    }
    if (tool->form == ATTACHED)
        return false;
    scan->masker->next = takes_login(tool) ? USER_AND_SECRET : SECRET;
    scan->at = value;
    return true;
}

/* "--password secret"; with a '=' it is an assignment like any other, with a ':' a header. */
static bool take_option(struct scan *scan, struct tel_str word)
{
    if (take_tool_option(scan, word))
        return true;
    if (char_at(scan, scan->at + word.len) == '=' || tel_str_find(word, ':') >= 0)
        return false;
    if (takes_login(&scan->masker->tool) && tel_str_in_list(word, "--user --proxy-user"))
        scan->masker->next = USER_AND_SECRET;
    else if (is_secret_option(word))
        scan->masker->next = SECRET;
    else
        return false;
    scan->at += word.len;
    return true;
}

static bool take_word_start(struct scan *scan)
{
    struct tel_str word = word_at(scan);
    struct tool tool;

    if (word.len == 0)
        return false;
    if (take_expected(scan))
        return true;
    if (is_known_token(word)) {
        hide(scan, scan->at, scan->at + word.len);
        return true;
    }
    if (word.ptr[0] == '-')
        return take_option(scan, word);
    if (find_tool(&tool, tel_str_basename(word)))
        scan->masker->tool = tool;
    return false;
}

/* --- rules for any place -------------------------------------------------------------------- */

/* Over a quote, which may be escaped. */
static size_t skip_quote(const struct scan *scan, size_t at)
{
    size_t quote = char_at(scan, at) == '\\' ? at + 1 : at;

    return is_quote(char_at(scan, quote)) ? quote + 1 : at;
}

static size_t skip_spaces(const struct scan *scan, size_t at)
{
    while (is_space(char_at(scan, at)))
        at++;
    return at;
}

static void hide_assigned(struct scan *scan, size_t behind_equals)
{
    size_t value = skip_quote(scan, behind_equals);

    hide(scan, value, value_end(scan, value));
}

/* "Name: value" of a header or of YAML, "name": "value" of JSON, or name:value for names that leave
 * no doubt; an image called token:latest is none. */
static bool hide_after_colon(struct scan *scan, struct tel_str name, size_t behind_colon)
{
    size_t spaces = skip_spaces(scan, behind_colon);
    size_t value = skip_quote(scan, spaces);
    char memory[64];

    if (value > spaces)
        hide(scan, value, find_quote(scan, value, scan->text.ptr[value - 1]));
    else if (spaces > behind_colon)
        hide(scan, value, header_end(scan, value));
    else if (any_item(secret_parts, fold_name(name, memory, sizeof(memory)), contains))
        hide(scan, value, value_end(scan, value));
    else
        return false;
    return true;
}

static struct tel_str name_at(const struct scan *scan)
{
    size_t end = scan->at;

    while (is_name_char(char_at(scan, end)))
        end++;
    return (struct tel_str){scan->text.ptr + scan->at, end - scan->at};
}

/* A name, and its value when the name is a secret's. */
static void take_name(struct scan *scan, struct tel_str name)
{
    size_t end = scan->at + name.len;
    size_t colon = skip_spaces(scan, skip_quote(scan, end));

    if (char_at(scan, end) == '=' && is_secret_name(name)) {
        hide_assigned(scan, end + 1);
        return;
    }
    if (char_at(scan, colon) == ':' && char_at(scan, colon + 1) != '/' && is_secret_name(name) &&
        hide_after_colon(scan, name, colon + 1))
        return;
    scan->at = end;
}

static bool is_number(struct tel_str text)
{
    uint64_t value;

    return text.len == 0 || tel_str_to_u64(text, &value);
}

/* A URL's text behind "://" up to the last '@' that may belong to user and password. A password may
 * hold an unescaped slash: what follows the colon is then no port. */
static struct tel_str userinfo_at(const struct scan *scan, size_t from)
{
    size_t end = from;
    size_t authority;
    struct tel_str text;
    ptrdiff_t at, colon;

    while (end < scan->text.len && !is_space(scan->text.ptr[end]) && !is_quote(scan->text.ptr[end]))
        end++;
    for (authority = from; authority < end; authority++) {
        if (memchr("/?#", scan->text.ptr[authority], 3) != NULL)
            break;
    }
    text = (struct tel_str){scan->text.ptr + from, authority - from};
    at = tel_str_find_last(text, '@');
    colon = tel_str_find(text, ':');
    if (at < 0 && colon >= 0 && !is_number(tel_str_from_pos(text, (size_t)colon + 1))) {
        text.len = end - from;
        at = tel_str_find_last(text, '@');
    }
    text.len = at < 0 ? 0 : (size_t)at;
    return text;
}

/* scan->at is at "://". */
static void take_userinfo(struct scan *scan)
{
    enum { SHORTEST_TOKEN = 20 }; /* https://TOKEN@host, as against https://user@host */
    size_t from = scan->at + 3;
    struct tel_str userinfo = userinfo_at(scan, from);
    ptrdiff_t colon = tel_str_find(userinfo, ':');

    scan->at = from;
    if (colon >= 0)
        hide(scan, from + (size_t)colon + 1, from + userinfo.len);
    else if (userinfo.len >= SHORTEST_TOKEN)
        hide(scan, from, from + userinfo.len);
}

/* --- arguments ------------------------------------------------------------------------------ */

static void take_next(struct scan *scan)
{
    struct tel_str name;

    if (at_word_start(scan) && take_word_start(scan))
        return;
    name = name_at(scan);
    if (name.len > 0) {
        take_name(scan, name);
        return;
    }
    scan->bare = scan->bare && scan->text.ptr[scan->at] == '=';
    if (tel_str_starts(tel_str_from_pos(scan->text, scan->at), "://"))
        take_userinfo(scan);
    else
        scan->at++;
}

static void put_argument(struct masker *masker, struct tel_str text)
{
    struct scan scan = {.masker = masker, .text = text, .bare = true};

    while (scan.at < text.len)
        take_next(&scan);
    flush(&scan, text.len);
}

/* "-c", "-lc": what follows is a script. */
static bool announces_script(struct tel_str argument)
{
    return argument.len >= 2 && argument.len <= 5 && argument.ptr[0] == '-' &&
           argument.ptr[1] != '-' && argument.ptr[argument.len - 1] == 'c';
}

static void put_rest(struct tel_buf *buf, int count)
{
    tel_json_put_escaped(buf, TEL_STR("…("));
    tel_buf_i64(buf, count);
    tel_buf_cstr(buf, " more)");
}

void tel_mask_put_argv(struct tel_buf *buf, int argc, char *const *argv)
{
    struct masker masker = {.out = buf, .room = TEL_ARGV_MAX_BYTES};

    tel_buf_char(buf, '[');
    for (int i = 0; argv != NULL && i < argc && argv[i] != NULL; i++) {
        bool dropped = i >= TEL_ARGV_MAX_ITEMS || masker.room == 0 || masker.full;
        struct tel_str argument = tel_str_from(argv[i]);

        tel_buf_cstr(buf, i == 0 ? "\"" : ", \"");
        if (dropped)
            put_rest(buf, argc - i);
        else
            put_argument(&masker, argument);
        tel_buf_char(buf, '"');
        if (dropped)
            break;
        masker.script = announces_script(argument);
    }
    tel_buf_char(buf, ']');
}
