/* What of a command line may be stored. The secret is always HUNTER: it must not come through. */
#include "base/mask.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_scan.h"
#include "support/view.h"

enum { MAX_ARGS = 12 };

static char memory[64 * 1024];

static struct tel_str mask(int argc, const char *const *argv)
{
    union {
        const char *const *given;
        char *const *wanted;
    } vector = {argv};
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory));
    tel_mask_put_argv(&buf, argc, vector.wanted);
    return tel_buf_view(&buf);
}

struct hidden {
    const char *argv[MAX_ARGS];
    const char *expected;
};

static const struct hidden hidden[] = {
    /* options */
    {{"a", "--password", "HUNTER", "x"}, "[\"a\", \"--password\", \"***\", \"x\"]"},
    {{"a", "--password=HUNTER"}, "[\"a\", \"--password=***\"]"},
    {{"a", "-password", "HUNTER"}, "[\"a\", \"-password\", \"***\"]"},
    {{"a", "--db-password=HUNTER with blanks;and more"}, "[\"a\", \"--db-password=***\"]"},
    {{"a", "--token", "HUNTER"}, "[\"a\", \"--token\", \"***\"]"},
    {{"a", "--token", "-HUNTER"}, "[\"a\", \"--token\", \"***\"]"},
    {{"a", "--api-key", "HUNTER"}, "[\"a\", \"--api-key\", \"***\"]"},
    {{"a", "--apiKey=HUNTER"}, "[\"a\", \"--apiKey=***\"]"},
    {{"a", "--auth", "HUNTER"}, "[\"a\", \"--auth\", \"***\"]"},
    {{"a", "--client-secret", "HUNTER"}, "[\"a\", \"--client-secret\", \"***\"]"},
    {{"a", "--passphrase", "HUNTER"}, "[\"a\", \"--passphrase\", \"***\"]"},
    {{"a", "--oauth2-bearer", "HUNTER"}, "[\"a\", \"--oauth2-bearer\", \"***\"]"},
    {{"a", "--pass", "HUNTER"}, "[\"a\", \"--pass\", \"***\"]"},
    {{"a", "--private-key=HUNTER"}, "[\"a\", \"--private-key=***\"]"},
    {{"java", "-Ddb.password=HUNTER"}, "[\"java\", \"-Ddb.password=***\"]"},
    {{"openssl", "-passin", "pass:HUNTER"}, "[\"openssl\", \"-passin\", \"***\"]"},
    {{"a", "--env=DB_PASSWORD=HUNTER x"}, "[\"a\", \"--env=DB_PASSWORD=***\"]"},
    {{"docker", "-e", "DB_PASSWORD=HUNTER"}, "[\"docker\", \"-e\", \"DB_PASSWORD=***\"]"},
    {{"a", "--token", "--password", "HUNTER"}, "[\"a\", \"--token\", \"--password\", \"***\"]"},
    /* assignments */
    {{"a", "PASSWORD=HUNTER"}, "[\"a\", \"PASSWORD=***\"]"},
    {{"env", "PGPASSWORD=HUNTER", "psql"}, "[\"env\", \"PGPASSWORD=***\", \"psql\"]"},
    {{"a", "GITHUB_TOKEN=HUNTER"}, "[\"a\", \"GITHUB_TOKEN=***\"]"},
    {{"a", "AWS_SECRET_ACCESS_KEY=HUNTER"}, "[\"a\", \"AWS_SECRET_ACCESS_KEY=***\"]"},
    {{"a", "db_pass=HUNTER"}, "[\"a\", \"db_pass=***\"]"},
    {{"a", "dbPwd=HUNTER"}, "[\"a\", \"dbPwd=***\"]"},
    {{"psql", "host=h password=HUNTER user=u"}, "[\"psql\", \"host=h password=*** user=u\"]"},
    {{"psql", "host=h password='HUNTER HUNTER' user=u"},
     "[\"psql\", \"host=h password='***' user=u\"]"},
    {{"a", "Server=h;Pwd=HUNTER;Uid=u"}, "[\"a\", \"Server=h;Pwd=***;Uid=u\"]"},
    {{"mount", "-o", "user=u,password=HUNTER"}, "[\"mount\", \"-o\", \"user=u,password=***\"]"},
    /* URLs */
    {{"a", "postgres://u:HUNTER@h/db"}, "[\"a\", \"postgres://u:***@h/db\"]"},
    {{"a", "--dsn=postgres://u:HUNTER@h/db"}, "[\"a\", \"--dsn=postgres://u:***@h/db\"]"},
    {{"a", "https://u:HUN@TER@h/p"}, "[\"a\", \"https://u:***@h/p\"]"},
    {{"a", "https://u:HUNTER/HUNTER@h/p"}, "[\"a\", \"https://u:***@h/p\"]"},
    {{"a", "https://HUNTERHUNTERHUNTERHUNTER@h/p"}, "[\"a\", \"https://***@h/p\"]"},
    {{"a", "https://:HUNTER@h"}, "[\"a\", \"https://:***@h\"]"},
    {{"a", "https://h/p?token=HUNTER&x=1"}, "[\"a\", \"https://h/p?token=***&x=1\"]"},
    {{"a", "https://u:HUNTER@h/p?access_token=HUNTER#f"},
     "[\"a\", \"https://u:***@h/p?access_token=***\"]"},
    {{"a", "x=1 amqp://u:HUNTER@h https://v:HUNTER@i"},
     "[\"a\", \"x=1 amqp://u:***@h https://v:***@i\"]"},
    /* headers, JSON, YAML */
    {{"curl", "-H", "Authorization: Bearer HUNTER"}, "[\"curl\", \"-H\", \"Authorization: ***\"]"},
    {{"curl", "-HAuthorization: Bearer HUNTER"}, "[\"curl\", \"-HAuthorization: ***\"]"},
    {{"curl", "-H", "authorization:Bearer HUNTER"}, "[\"curl\", \"-H\", \"authorization:***\"]"},
    {{"curl", "-H", "X-Api-Key: HUNTER"}, "[\"curl\", \"-H\", \"X-Api-Key: ***\"]"},
    {{"curl", "-H", "Cookie: a=HUNTER; b=\"HUNTER\""}, "[\"curl\", \"-H\", \"Cookie: ***\"]"},
    {{"curl", "-d", "{\"user\": \"u\", \"password\": \"HUNTER\", \"x\": 1}"},
     "[\"curl\", \"-d\", \"{\\\"user\\\": \\\"u\\\", \\\"password\\\": \\\"***\\\", \\\"x\\\": "
     "1}\"]"},
    {{"curl", "-d", "{\"token\":\"HUNTER\"}"},
     "[\"curl\", \"-d\", \"{\\\"token\\\":\\\"***\\\"}\"]"},
    {{"curl", "-d", "user=u&password=HUNTER&x=1"},
     "[\"curl\", \"-d\", \"user=u&password=***&x=1\"]"},
    /* programs known for it */
    {{"mysql", "-uroot", "-pHUNTER", "db"}, "[\"mysql\", \"-uroot\", \"-p***\", \"db\"]"},
    {{"/usr/bin/mysqldump", "-pHUNTER"}, "[\"/usr/bin/mysqldump\", \"-p***\"]"},
    {{"sshpass", "-p", "HUNTER", "ssh", "h"}, "[\"sshpass\", \"-p\", \"***\", \"ssh\", \"h\"]"},
    {{"sshpass", "-pHUNTER", "ssh"}, "[\"sshpass\", \"-p***\", \"ssh\"]"},
    {{"docker", "login", "-u", "u", "-p", "HUNTER"},
     "[\"docker\", \"login\", \"-u\", \"u\", \"-p\", \"***\"]"},
    {{"redis-cli", "-a", "HUNTER"}, "[\"redis-cli\", \"-a\", \"***\"]"},
    {{"curl", "-u", "u:HUNTER", "x"}, "[\"curl\", \"-u\", \"u:***\", \"x\"]"},
    {{"curl", "-uu:HUNTER"}, "[\"curl\", \"-uu:***\"]"},
    {{"curl", "--user", "u:HUNTER"}, "[\"curl\", \"--user\", \"u:***\"]"},
    {{"smbclient", "-U", "u%HUNTER"}, "[\"smbclient\", \"-U\", \"u%***\"]"},
    {{"ldapsearch", "-D", "cn=x", "-w", "HUNTER"},
     "[\"ldapsearch\", \"-D\", \"cn=x\", \"-w\", \"***\"]"},
    {{"sqlcmd", "-P", "HUNTER"}, "[\"sqlcmd\", \"-P\", \"***\"]"},
    {{"7z", "a", "-pHUNTER", "x.7z"}, "[\"7z\", \"a\", \"-p***\", \"x.7z\"]"},
    {{"env", "A=1", "mysql", "-pHUNTER"}, "[\"env\", \"A=1\", \"mysql\", \"-p***\"]"},
    /* scripts */
    {{"sh", "-c", "PASSWORD=HUNTER ./agent --x"}, "[\"sh\", \"-c\", \"PASSWORD=*** ./agent --x\"]"},
    {{"sh", "-c", "./agent --password HUNTER; ls"},
     "[\"sh\", \"-c\", \"./agent --password ***; ls\"]"},
    {{"sh", "-c", "./agent --password 'HUNTER HUNTER' x"},
     "[\"sh\", \"-c\", \"./agent --password '***' x\"]"},
    {{"sh", "-c", "./agent --password='HUNTER HUNTER' x"},
     "[\"sh\", \"-c\", \"./agent --password='***' x\"]"},
    {{"sh", "-c", "./agent --password SE'CRET SECRE'T x"},
     "[\"sh\", \"-c\", \"./agent --password *** x\"]"},
    {{"sh", "-c", "mysql -pHUNTER db && ls -p x"},
     "[\"sh\", \"-c\", \"mysql -p*** db && ls -p x\"]"},
    {{"sh", "-c", "mysql -p'HUNTER HUNTER' db"}, "[\"sh\", \"-c\", \"mysql -p*** db\"]"},
    {{"bash", "-lc", "curl -H \"Authorization: Bearer HUNTER\" https://h"},
     "[\"bash\", \"-lc\", \"curl -H \\\"Authorization: ***\\\" https://h\"]"},
    {{"bash", "-c", "curl -u \"u:HUNTER\" https://v:HUNTER@h"},
     "[\"bash\", \"-c\", \"curl -u \\\"u:***\\\" https://v:***@h\"]"},
    {{"ssh", "h", "mysql -u root -pHUNTER db"}, "[\"ssh\", \"h\", \"mysql -u root -p*** db\"]"},
    {{"sh", "-c", "sh -c 'mysql -pHUNTER x'"}, "[\"sh\", \"-c\", \"sh -c 'mysql -p*** x'\"]"},
    {{"sh", "-c", "echo don't; ./agent --token HUNTER"},
     "[\"sh\", \"-c\", \"echo don't; ./agent --token ***\"]"},
    /* by their looks */
    {{"a", "ghp_HUNTERHUNTERHUNTERHUNTER"}, "[\"a\", \"***\"]"},
    {{"sh", "-c", "login glpat-HUNTERHUNTERHUNTER"}, "[\"sh\", \"-c\", \"login ***\"]"},
};

Test(mask, hides)
{
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        const char *masked = view_text(mask(entries_in(hidden[i].argv), hidden[i].argv));

        cr_expect_str_eq(masked, hidden[i].expected);
        cr_expect_null(strstr(masked, "HUNTER"), "%s", masked);
    }
}

/* Lines that look a little like it; they stay as they are. */
static const char *const harmless[][MAX_ARGS] = {
    {"python3", "agent.py", "--date", "2026-11-22", "-p", "80", "--user", "u:v"},
    {"ls", "-la", "/home/secret/token"},
    {"a", "--password-file", "/etc/x", "--token-path=/x", "--password-stdin", "y"},
    {"a", "--max-tokens", "4096", "--num-tokens=5", "--tokenizer", "gpt2"},
    {"a", "--no-password", "db", "--ask-pass", "x", "--skip-password", "y"},
    {"a", "PWD=/x", "OLDPWD=/y", "PATH=/bin", "KEY=1", "--key", "file"},
    {"a", "--password=", "--token", "-v"},
    {"a", "https://h:8080/p?x=1", "https://user@h/p", "file:///etc/passwd", "mailto:u@h"},
    {"a", "https://h/p@x:y"},
    {"docker", "run", "-p", "80:80", "acme/auth-token:1.2"},
    {"mysql", "-p", "db"},
    {"a", "--bypass", "x", "--compass", "y", "--author", "z", "--authority", "w"},
    {"a", "secret", "token", "password"},
    {"", " ", "\"", "'", "=", "==", ":", "://", "-", "--", "---"},
    {"a", "--passive", "x", "--keyword=y", "--monkey", "z"},
};

Test(mask, leaves_the_rest)
{
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
        const char *masked = view_text(mask(entries_in(harmless[i]), harmless[i]));

        cr_expect_null(strstr(masked, "***"), "%s", masked);
    }
}

Test(mask, escapes)
{
    static const char *const argv[] = {"a\"b\\c", "\xc3\xa4\n\x7f", "\xff", NULL};

    cr_expect_str_eq(view_text(mask(3, argv)),
                     "[\"a\\\"b\\\\c\", \"\\u00e4\\n\\u007f\", \"\\ufffd\"]");
}

Test(mask, nothing_to_write)
{
    static const char *const argv[] = {"a", NULL, "beyond", NULL};

    cr_expect_str_eq(view_text(mask(3, NULL)), "[]");
    cr_expect_str_eq(view_text(mask(0, argv)), "[]");
    cr_expect_str_eq(view_text(mask(3, argv)), "[\"a\"]");
}

static size_t count_items(struct tel_str json)
{
    size_t count = 0;

    cr_assert(tel_json_valid(json));
    for (size_t i = 0; i + 1 < json.len; i++)
        count += json.ptr[i] == ',' && json.ptr[i + 1] == ' ';
    return count + 1;
}

Test(mask, number_of_items_is_bounded)
{
    const char *argv[301] = {NULL};
    struct tel_str json;

    for (size_t i = 0; i < 300; i++)
        argv[i] = "x";
    json = mask(300, argv);
    cr_expect_eq(count_items(json), TEL_ARGV_MAX_ITEMS + 1);
    cr_expect_not_null(strstr(view_text(json), "\"x\", \"\\u2026(172 more)\"]"));
    json = mask(TEL_ARGV_MAX_ITEMS, argv);
    cr_expect_eq(count_items(json), TEL_ARGV_MAX_ITEMS);
}

Test(mask, bytes_are_bounded)
{
    char *longer = malloc(100001);
    const char *argv[] = {"a", longer, "b", "c", NULL};
    struct tel_str json;
    static const char tail[] = "xx\\u2026\", \"\\u2026(2 more)\"]";

    cr_assert_not_null(longer);
    memset(longer, 'x', 100000);
    longer[100000] = '\0';
    json = mask(4, argv);
    cr_expect_eq(count_items(json), 3);
    cr_expect_lt(json.len, TEL_ARGV_MAX_BYTES + 64);
    cr_expect_str_eq(view_text(tel_str_from_pos(json, json.len - strlen(tail))), tail);

    memset(longer, '\x01', 100000); /* XALT's downfall: each becomes six bytes */
    json = mask(4, argv);
    cr_expect(tel_json_valid(json));
    cr_expect_lt(json.len, 6 * TEL_ARGV_MAX_BYTES + 64);

    for (size_t i = 0; i < 100000; i += 2)
        memcpy(longer + i, "\xc3\xa4", 2);
    json = mask(4, argv);
    cr_expect(tel_json_valid(json));
    cr_expect_null(strstr(view_text((struct tel_str){json.ptr + json.len - 200, 200}), "fffd"),
                   "cut between characters");
    free(longer);
}

Test(mask, a_small_buffer_is_no_harm)
{
    char *argv[] = {(char[]){"a"}, (char[]){"--password=x"}, NULL};

    for (size_t cap = 0; cap < 40; cap++) {
        struct tel_buf buf;

        memory[cap] = '#';
        tel_buf_init(&buf, memory, cap);
        tel_mask_put_argv(&buf, 2, argv);
        cr_expect_eq(memory[cap], '#');
        cr_expect_eq(buf.overflow, cap < strlen("[\"a\", \"--password=***\"]"));
    }
}

/* Pieces of everything above in any order: valid JSON always comes out. */
Test(mask, survives_any_words)
{
    static const char *const pieces[] = {
        "--password",
        "=",
        ":",
        "://",
        "@",
        "u:x@",
        " ",
        "'",
        "\"",
        "\\",
        "mysql",
        "-p",
        "-c",
        "-u",
        "curl",
        ";",
        "&",
        "\n",
        "token",
        "Authorization: ",
        "ghp_aaaaaaaaaaaaaaaaaaaaaa",
        "x",
        "",
        "\xc3\xa4",
        "\xff",
        "/",
        "?",
        "#",
        "{\"secret\":",
        "1",
        "--",
        "-",
        "%",
        ",",
        "smbclient",
    };
    size_t count = sizeof(pieces) / sizeof(pieces[0]);
    uint64_t state = 88172645463325252u;

    for (int round = 0; round < 20000; round++) {
        char texts[3][128];
        const char *argv[4] = {texts[0], texts[1], texts[2], NULL};

        for (size_t i = 0; i < 3; i++) {
            texts[i][0] = '\0';
            for (int n = 0; n < 4; n++) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                strcat(texts[i], pieces[(state >> 16) % count]);
            }
        }
        cr_assert(tel_json_valid(mask(3, argv)));
    }
}
