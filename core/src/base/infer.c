/* The agent's name from its command line: a search through launchers, shells and interpreters, each
 * described by a row of a table. Every step reads at least one word more, so the search ends. */
#include "infer.h"

#include <string.h>

#include "words.h"

enum {
    MAX_STEPS = 32,
    MAX_SCRIPT_TEXT = 4096 /* of a `sh -c` script; its first commands are the ones that count */
};

/* The search so far: the words still to be read, and the best name found. */
struct search {
    struct tel_words words;
    struct tel_str name;
};

/* The texts of all tables lie in the tables themselves, so that the shim needs no relocations for
 * them. Lists are words with one blank between them. */

static bool has_letter(const char *letters, char c)
{
    return c != '\0' && memchr(letters, c, strlen(letters)) != NULL;
}

static bool is_option(struct tel_str word)
{
    return word.len > 1 && word.ptr[0] == '-';
}

static bool is_long_option(struct tel_str word)
{
    return word.len > 2 && word.ptr[0] == '-' && word.ptr[1] == '-';
}

/* True when a long option's value, if it takes one from the list, is the next word. */
static bool long_option_wants_word(const char *list, struct tel_str option)
{
    return tel_str_find(option, '=') < 0 && tel_str_in_list(tel_str_from_pos(option, 2), list);
}

static bool skip_word(struct tel_words *words)
{
    struct tel_str word;

    return tel_words_next(words, &word);
}

/* NAME=value */
static bool is_assignment(struct tel_str word)
{
    ptrdiff_t equals = tel_str_find(word, '=');

    for (ptrdiff_t i = 0; i < equals; i++) {
        char c = word.ptr[i];
        char folded = (char)(c | 0x20);

        if (c != '_' && !(folded >= 'a' && folded <= 'z') && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return equals > 0;
}

/* The last part of a path, whatever slashes follow it; TEL_STR_NONE for what names nothing: "..",
 * or a word that only the shell could have expanded. */
static struct tel_str name_of(struct tel_str path)
{
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    path = tel_str_basename(path);
    if (path.len == 0 || tel_str_is(path, ".") || tel_str_is(path, "..") ||
        tel_str_find(path, '$') >= 0 || tel_str_find(path, '`') >= 0)
        return TEL_STR_NONE;
    return path;
}

static void take_name(struct search *search, struct tel_str path)
{
    struct tel_str name = name_of(path);

    if (name.ptr != NULL)
        search->name = name;
}

/* --- shell scripts on the command line ------------------------------------------------------ */

/* Words that stand before a command, commands that never do the work, and such that do it only
 * where there is no other. */
static const char prefixes[] = "! { if then elif else while until do";
static const char builtins[] =
    "cd set export unset umask ulimit . source true false : test [ [[ trap shift read wait exit "
    "return break continue echo printf let local declare typeset readonly eval alias unalias "
    "shopt setopt pushd popd hash type command builtin jobs kill getopts for case select in esac "
    "fi done } function";
static const char helpers[] = "sleep mkdir rm cp mv ln touch chmod chown date cat tee logger";

static void enter_script(struct search *search, struct tel_str text)
{
    if (text.len > MAX_SCRIPT_TEXT)
        text.len = MAX_SCRIPT_TEXT;
    if (search->words.shell)
        search->words.argc = 0; /* its $0 and $1 are words of the outer script */
    search->words.text = text;
    search->words.shell = true;
}

/* "$@", "$0" or "$1" as a command: the words are in the argument vector after all. */
static bool leave_script(struct tel_words *words, struct tel_str word)
{
    bool from_zero = tel_str_is(word, "$0");

    if (!from_zero && !tel_str_is(word, "$@") && !tel_str_is(word, "$*") && !tel_str_is(word, "$1"))
        return false;
    words->text = TEL_STR_NONE;
    words->shell = false;
    if (!from_zero)
        skip_word(words);
    return true;
}

/* A word of a script that would not be itself after the shell's expansions. */
static bool is_unexpanded(struct tel_str word)
{
    struct tel_str name = name_of(word);

    return name.ptr == NULL || tel_str_find(name, '\'') >= 0 || tel_str_find(name, '"') >= 0 ||
           tel_str_find(name, '\\') >= 0;
}

/* The next command's name in a script. */
static bool next_command_name(struct tel_words *words, struct tel_str *word)
{
    struct tel_str helper = TEL_STR_NONE;

    do {
        while (tel_words_next(words, word)) {
            if (is_assignment(*word) || tel_str_in_list(*word, prefixes))
                continue;
            if (leave_script(words, *word))
                return tel_words_next(words, word);
            if (tel_str_in_list(*word, builtins) || is_unexpanded(*word))
                break;
            if (!tel_str_in_list(name_of(*word), helpers))
                return true;
            helper = helper.ptr == NULL ? *word : helper;
            break;
        }
    } while (tel_words_next_command(words));
    *word = helper;
    return helper.ptr != NULL;
}

static bool next_program(struct tel_words *words, struct tel_str *word)
{
    return words->shell ? next_command_name(words, word) : tel_words_next(words, word);
}

/* --- launchers ------------------------------------------------------------------------------ */

enum launcher_trait {
    ASSIGNMENTS = 'A', /* NAME=value before the command */
    SPLITS = 'S',      /* env -S: a value that is split into words */
    COMMAND_TEXT = 'C' /* flock FILE -c 'script' */
};

/* A program that runs the program named by its first operand. */
struct launcher {
    int operands; /* how many come before the command */
    const char *name;
    const char *values; /* letters of the options whose value may be the next word */
    const char *stops;  /* letters of the options with which it runs nothing */
    const char *traits;
};

#define LAUNCHER(operands, name, values, stops, traits)                                            \
    operands name "\0" values "\0" stops "\0" traits "\0"

/* The texts of each in turn, each ended by NUL; after the last row an empty one. */
static const char launchers[] =
    LAUNCHER("0", "env", "uCS", "", "AS") LAUNCHER("0", "exec", "a", "", "") /* the shell's */
    LAUNCHER("0", "nohup", "", "", "") LAUNCHER("0", "nice", "n", "", "")
        LAUNCHER("0", "ionice", "cn", "pPu", "") LAUNCHER("0", "setsid", "", "", "") LAUNCHER(
            "1", "timeout", "sk", "", "") LAUNCHER("0", "stdbuf", "ioe", "", "")
            LAUNCHER("0", "time", "fo", "", "") LAUNCHER("1", "chrt", "TPD", "pm", "") LAUNCHER(
                "1", "taskset", "", "p", "") LAUNCHER("0", "numactl", "imNCp", "sH", "")
                LAUNCHER("0", "xargs", "IEndPLsa", "", "") LAUNCHER("1", "flock", "wE", "", "C")
                    LAUNCHER("0", "sudo", "ugpChDRTUrt", "lKkVe", "A") LAUNCHER("0", "doas", "uC",
                                                                                "Ls", "")
                        LAUNCHER("0", "setpriv", "", "d", "") LAUNCHER("1", "chroot", "", "", "")
                            LAUNCHER("1", "gosu", "", "", "") LAUNCHER("1", "su-exec", "", "", "")
                                LAUNCHER("0", "tini", "pe", "", "") LAUNCHER("0", "dumb-init", "r",
                                                                             "", "")
                                    LAUNCHER("0", "busybox", "", "",
                                             "") LAUNCHER("0", "unbuffer", "", "",
                                                          "") LAUNCHER("0", "chronic", "", "", "")
                                        LAUNCHER("0", "catchsegv", "", "", "")
                                            LAUNCHER("0", "eatmydata", "", "", "")
                                                LAUNCHER("0", "strace", "oepEauPSsXbIO", "", "")
                                                    LAUNCHER("0", "ltrace", "oepnlasAuDFx", "", "")
                                                        LAUNCHER("0", "valgrind", "", "", "")
                                                            LAUNCHER("0", "linux64", "", "", "")
                                                                LAUNCHER("0", "systemd-cat", "tp",
                                                                         "", "");

/* Long options whose value may be the next word, of launchers and interpreters: name and list in turn,
 * each ended by NUL, the last name empty. */
static const char long_options[] =
    "env\0unset chdir split-string\0"
    "nice\0adjustment\0"
    "ionice\0class classdata\0"
    "timeout\0signal kill-after\0"
    "stdbuf\0input output error\0"
    "time\0format output\0"
    "chrt\0sched-runtime sched-period sched-deadline\0"
    "numactl\0interleave membind cpunodebind physcpubind preferred\0"
    "xargs\0arg-file delimiter max-args max-chars max-lines max-procs\0"
    "flock\0timeout wait conflict-exit-code\0"
    "sudo\0user group prompt chdir chroot host\0"
    "setpriv\0reuid regid groups inh-caps bounding-set pdeathsig\0"
    "dumb-init\0rewrite\0"
    "systemd-cat\0identifier priority\0"
    "sh\0rcfile init-file\0"
    "python\0check-hash-based-pycs\0"
    "node\0require import loader experimental-loader conditions env-file title\0"
    "php\0define php-ini\0"
    "java\0cp classpath p add-modules add-exports add-opens add-reads source\0"
    "julia\0load threads procs sysimage\0"
    "awk\0assign field-separator include load\0"
    "deno\0config import-map lock log-level\0"
    "bun\0preload\0"
    "dotnet\0additionalprobingpath depsfile runtimeconfig fx-version\0";

/* The text at *at, which moves behind it. */
static const char *take_text(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

static bool find_launcher(struct launcher *out, struct tel_str name)
{
    const char *at = launchers;

    while (*at != '\0') {
        out->operands = *at++ - '0';
        out->name = take_text(&at);
        out->values = take_text(&at);
        out->stops = take_text(&at);
        out->traits = take_text(&at);
        if (tel_str_is(name, out->name))
            return true;
    }
    return false;
}

/* names: of a launcher or an interpreter; the first one counts. */
static const char *long_values(const char *names)
{
    struct tel_str program = tel_str_from(names);
    ptrdiff_t blank = tel_str_find(program, ' ');

    if (blank >= 0)
        program.len = (size_t)blank;
    for (const char *at = long_options; *at != '\0';) {
        bool found = tel_str_is(program, take_text(&at));
        const char *values = take_text(&at);

        if (found)
            return values;
    }
    return "";
}

/* The value of an option is the rest of its word, or the next one. */
static bool take_value(struct tel_words *words, struct tel_str attached, struct tel_str *value)
{
    *value = attached;
    return attached.len > 0 || tel_words_next(words, value);
}

static bool skip_short_option(const struct launcher *launcher, struct tel_str option,
                              struct tel_words *words)
{
    for (size_t i = 1; i < option.len; i++) {
        char letter = option.ptr[i];
        struct tel_str value;

        if (has_letter(launcher->stops, letter))
            return false;
        if (!has_letter(launcher->values, letter))
            continue;
        if (!take_value(words, tel_str_from_pos(option, i + 1), &value))
            return false;
        if (letter == 'S' && has_letter(launcher->traits, SPLITS))
            words->text = value;
        return true;
    }
    return true;
}

static bool skip_long_option(const struct launcher *launcher, struct tel_str option,
                             struct tel_words *words)
{
    static const char split[] = "--split-string";
    struct tel_str value;

    if (has_letter(launcher->traits, SPLITS) && tel_str_starts(option, split)) {
        if (!take_value(words, tel_str_from_pos(option, sizeof(split)), &value))
            return false;
        words->text = value;
        return true;
    }
    return !long_option_wants_word(long_values(launcher->name), option) || skip_word(words);
}

/* Options and assignments; false when the launcher runs nothing. */
static bool skip_options(const struct launcher *launcher, struct tel_words *words)
{
    bool options = true;
    struct tel_words ahead = *words;
    struct tel_str word;

    while (tel_words_next(&ahead, &word)) {
        bool dash = options && word.len > 0 && word.ptr[0] == '-';

        if (!dash && (!has_letter(launcher->traits, ASSIGNMENTS) || !is_assignment(word)))
            return true;
        *words = ahead;
        if (dash && tel_str_is(word, "--"))
            options = false;
        else if (dash && !(is_long_option(word) ? skip_long_option(launcher, word, words)
                                                : skip_short_option(launcher, word, words)))
            return false;
        ahead = *words;
    }
    return true;
}

static void enter_command_text(struct search *search)
{
    struct tel_words ahead = search->words;
    struct tel_str word;

    if (tel_words_next(&ahead, &word) &&
        (tel_str_is(word, "-c") || tel_str_is(word, "--command")) &&
        tel_words_next(&ahead, &word)) {
        search->words = ahead;
        enter_script(search, word);
    }
}

static bool pass_launcher(struct search *search, const struct launcher *launcher)
{
    if (!skip_options(launcher, &search->words))
        return false;
    for (int i = 0; i < launcher->operands; i++) {
        if (!skip_word(&search->words))
            return false;
    }
    if (has_letter(launcher->traits, COMMAND_TEXT))
        enter_command_text(search);
    return true;
}

/* --- interpreters --------------------------------------------------------------------------- */

enum interpreter_kind {
    PLAIN = 'P',     /* the first operand is the program */
    SHELL = 'S',     /* so it is, but with -c it is the program's text */
    NO_SCRIPT = 'N', /* the first operand is the program's text (awk) */
    RUN_FIRST = 'R', /* the program comes after the word "run" (deno) */
    DOTTED = 'D',    /* only an operand with a dot is a program; others are subcommands */
    JAVA = 'J'       /* long options with one dash, and classes */
};

/* A program that runs the program in a file. The letters are those of options. */
struct interpreter {
    char kind;
    const char *names;
    const char *values; /* the value may be the next word */
    const char *rest;   /* the rest of the word is its value */
    const char *code;   /* brings the program's text along */
    const char *script; /* its value names the program */
    const char *long_code;
};

#define INTERPRETER(kind, names, values, rest, code, script, long_code)                            \
    kind names "\0" values "\0" rest "\0" code "\0" script "\0" long_code "\0"

static const char interpreters[] =
    INTERPRETER("S", "sh bash dash zsh ksh mksh ash fish csh tcsh", "oO", "", "", "",
                "") INTERPRETER("P", "python pypy", "XWQ", "", "c", "m",
                                "") INTERPRETER("P", "perl", "I", "iMmCDdFxV", "eE", "", "")
        INTERPRETER("P", "ruby", "IrCE", "iKWTFx", "e", "",
                    "") INTERPRETER("P", "node nodejs", "rC", "", "ep", "", "eval print")
            INTERPRETER("P", "php", "dcztS", "", "rBRE", "fF", "run") INTERPRETER(
                "J", "java javaw", "", "", "", "", "") INTERPRETER("P", "lua", "le", "", "", "", "")
                INTERPRETER("P", "luajit", "lej", "Ob", "", "", "")
                    INTERPRETER("P", "Rscript", "", "", "e", "", "")
                        INTERPRETER("P", "julia", "LCJpt", "", "eE", "", "eval print")
                            INTERPRETER("P", "tclsh wish", "", "", "", "", "")
                                INTERPRETER("P", "expect", "D", "d", "c", "f", "") INTERPRETER(
                                    "N", "awk gawk mawk nawk", "vFil", "", "e", "fE", "source")
                                    INTERPRETER("R", "deno", "cL", "", "", "", "")
                                        INTERPRETER("D", "bun", "r", "", "ep", "", "eval print")
                                            INTERPRETER("D", "dotnet", "", "", "", "", "")
                                                INTERPRETER("P", "mono", "", "", "", "", "");

/* python3.11 is a python. */
static struct tel_str without_version(struct tel_str name)
{
    while (name.len > 0 &&
           (name.ptr[name.len - 1] == '.' || has_letter("0123456789", name.ptr[name.len - 1])))
        name.len--;
    return name;
}

static bool find_interpreter(struct interpreter *out, struct tel_str name)
{
    const char *at = interpreters;

    name = without_version(name);
    while (*at != '\0') {
        out->kind = *at++;
        out->names = take_text(&at);
        out->values = take_text(&at);
        out->rest = take_text(&at);
        out->code = take_text(&at);
        out->script = take_text(&at);
        out->long_code = take_text(&at);
        if (tel_str_in_list(name, out->names))
            return true;
    }
    return false;
}

enum option_meaning { FLAG, WANTS_WORD, IS_CODE, NAMES_SCRIPT };

/* attached becomes what follows the letter in the word. */
static enum option_meaning read_letters(const struct interpreter *interpreter,
                                        struct tel_str option, struct tel_str *attached)
{
    for (size_t i = 1; i < option.len; i++) {
        char letter = option.ptr[i];

        *attached = tel_str_from_pos(option, i + 1);
        if (has_letter(interpreter->code, letter))
            return IS_CODE;
        if (has_letter(interpreter->script, letter))
            return NAMES_SCRIPT;
        if (has_letter(interpreter->values, letter))
            return attached->len > 0 ? FLAG : WANTS_WORD;
        if (has_letter(interpreter->rest, letter))
            return FLAG;
    }
    return FLAG;
}

static enum option_meaning read_long(const struct interpreter *interpreter, struct tel_str option)
{
    ptrdiff_t equals = tel_str_find(option, '=');
    struct tel_str name = tel_str_from_pos(option, 2);

    if (equals >= 0)
        name.len = (size_t)equals - 2;
    if (tel_str_in_list(name, interpreter->long_code))
        return IS_CODE;
    return long_option_wants_word(long_values(interpreter->names), option) ? WANTS_WORD : FLAG;
}

/* "-" and /dev/stdin are no names. */
static bool is_stream(struct tel_str operand)
{
    return tel_str_is(operand, "-") || tel_str_starts(operand, "/dev/") ||
           tel_str_starts(operand, "/proc/");
}

static void take_operand(struct search *search, const struct interpreter *interpreter,
                         struct tel_str operand)
{
    if (is_stream(operand) || interpreter->kind == NO_SCRIPT)
        return;
    if (interpreter->kind == DOTTED && tel_str_find(operand, '.') < 0)
        return;
    take_name(search, operand);
}

/* Subcommands before the program: "deno run x.ts", "dotnet exec x.dll", "bun run x.ts". */
static bool take_subcommand(const struct interpreter *interpreter, struct tel_words *words)
{
    struct tel_words ahead = *words;
    struct tel_str word;

    if (interpreter->kind != RUN_FIRST && interpreter->kind != DOTTED)
        return true;
    if (tel_words_next(&ahead, &word) && (tel_str_is(word, "run") || tel_str_is(word, "exec"))) {
        *words = ahead;
        return true;
    }
    return interpreter->kind == DOTTED;
}

static void find_script(struct search *search, const struct interpreter *interpreter)
{
    struct tel_words *words = &search->words;
    struct tel_str word, value = TEL_STR_NONE;

    if (!take_subcommand(interpreter, words))
        return;
    while (tel_words_next(words, &word)) {
        enum option_meaning meaning;

        if (tel_str_is(word, "--") && tel_words_next(words, &word)) {
            take_operand(search, interpreter, word);
            return;
        }
        if (!is_option(word)) {
            take_operand(search, interpreter, word);
            return;
        }
        meaning = is_long_option(word) ? read_long(interpreter, word)
                                       : read_letters(interpreter, word, &value);
        if (meaning == NAMES_SCRIPT && take_value(words, value, &value) && !is_stream(value))
            take_name(search, value);
        if (meaning == IS_CODE || meaning == NAMES_SCRIPT)
            return;
        if (meaning == WANTS_WORD && !skip_word(words))
            return;
    }
}

/* A shell's options: true when the next operand is a script's text; *operand is that operand. */
static bool read_shell_options(const struct interpreter *shell, struct tel_words *words,
                               struct tel_str *operand)
{
    bool text = false;

    *operand = TEL_STR_NONE;
    while (tel_words_next(words, operand)) {
        struct tel_str word = *operand;
        bool plus = word.len > 1 && word.ptr[0] == '+';

        *operand = TEL_STR_NONE;
        if (tel_str_is(word, "--") || tel_str_is(word, "-")) {
            tel_words_next(words, operand);
            return text;
        }
        if (!is_option(word) && !plus) {
            *operand = word;
            return text;
        }
        if (is_long_option(word) ? long_option_wants_word(long_values(shell->names), word)
                                 : has_letter(shell->values, word.ptr[word.len - 1]))
            skip_word(words);
        if (is_long_option(word))
            continue;
        text = text || (!plus && tel_str_find(word, 'c') > 0);
        if (!plus && tel_str_find(word, 's') > 0 && !text)
            return false; /* the program comes from standard input */
    }
    return text;
}

/* True when the search goes on in a script's text. */
static bool pass_shell(struct search *search, const struct interpreter *shell)
{
    struct tel_str operand;
    bool text = read_shell_options(shell, &search->words, &operand);

    if (operand.ptr == NULL)
        return false;
    if (text)
        enter_script(search, operand);
    else if (!is_stream(operand))
        take_name(search, operand);
    return text;
}

static void find_java_program(struct search *search, const struct interpreter *java)
{
    struct tel_str word;

    while (tel_words_next(&search->words, &word)) {
        struct tel_str option = tel_str_from_pos(word, is_long_option(word) ? 2 : 1);

        if (word.len > 0 && word.ptr[0] == '@')
            continue; /* a file of further arguments */
        if (!is_option(word)) {
            take_name(search, word);
            return;
        }
        if (tel_str_in_list(option, "jar m module")) {
            if (tel_words_next(&search->words, &word))
                take_name(search, word);
            return;
        }
        if (tel_str_in_list(option, long_values(java->names)) ||
            tel_str_in_list(option, "class-path module-path"))
            skip_word(&search->words);
    }
}

static bool pass_interpreter(struct search *search, const struct interpreter *interpreter)
{
    if (interpreter->kind == SHELL)
        return pass_shell(search, interpreter);
    if (interpreter->kind == JAVA)
        find_java_program(search, interpreter);
    else
        find_script(search, interpreter);
    return false;
}

/* --- the search ----------------------------------------------------------------------------- */

/* Reads the part of the command line that belongs to the program named by word; true when another
 * program's part follows. */
static bool pass_program(struct search *search, struct tel_str word)
{
    struct tel_str name = name_of(word);
    struct interpreter interpreter;
    struct launcher launcher;

    if (name.ptr == NULL)
        return false;
    search->name = name;
    if (find_launcher(&launcher, name))
        return pass_launcher(search, &launcher);
    return find_interpreter(&interpreter, name) && pass_interpreter(search, &interpreter);
}

/* Where argv has the path of a script started through its "#!" line: the kernel puts it behind the
 * interpreter's name, with one option at most between them. 0 when exe is no script. */
static int find_script_operand(struct tel_str exe, int argc, char *const *argv)
{
    struct tel_str name = name_of(exe);

    if (name.ptr == NULL || tel_str_equal(name_of(tel_str_from(argv[0])), name))
        return 0;
    for (int i = 1; i < argc && i <= 2 && argv[i] != NULL; i++) {
        if (tel_str_equal(name_of(tel_str_from(argv[i])), name))
            return i;
    }
    return 0;
}

/* A login shell's name begins with "-"; an empty one is no use. Returns the program's own word. */
static struct tel_str first_word(struct tel_str exe, const char *argv0)
{
    struct tel_str word = tel_str_from(argv0);

    if (is_option(word))
        word = tel_str_from_pos(word, 1);
    return name_of(word).ptr == NULL ? exe : word;
}

struct tel_str tel_infer_agent(struct tel_str exe, int argc, char *const *argv)
{
    struct search search = {.name = name_of(exe)};
    struct tel_str word;
    int script;
    int steps = 0;

    if (search.name.ptr == NULL)
        search.name = TEL_STR("unknown");
    if (argc <= 0 || argv == NULL || argv[0] == NULL)
        return search.name;
    /* A script may stand for an interpreter: pyenv's python3 is one. */
    script = find_script_operand(exe, argc, argv);
    search.words = (struct tel_words){.argc = argc - script - 1, .argv = argv + script + 1};
    word = script > 0 ? exe : first_word(exe, argv[0]);
    while (pass_program(&search, word) && ++steps < MAX_STEPS) {
        if (!next_program(&search.words, &word))
            break;
    }
    return search.name;
}
