/* See conf_file.h. Nothing is copied or allocated, and no line makes the reader stop. */
#include "conf_file.h"

#include "why.h"

static struct tel_str take_line(struct tel_conf *conf)
{
    struct tel_str line = tel_str_take(&conf->rest, '\n');

    conf->line++;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return tel_str_trim(line);
}

/* Without blanks around, and without the quotes when they go all around. */
static struct tel_str plain(struct tel_str text)
{
    text = tel_str_trim(text);
    if (text.len >= 2 && (text.ptr[0] == '"' || text.ptr[0] == '\'') &&
        text.ptr[text.len - 1] == text.ptr[0])
        return (struct tel_str){text.ptr + 1, text.len - 2};
    return text;
}

/* NULL when line begins a section. */
static const char *open_section(struct tel_conf *conf, struct tel_str line)
{
    enum { MATCH_LEN = 5 };
    struct tel_str name = {line.ptr + 1, line.len - 2};

    if (line.len < 2 || line.ptr[line.len - 1] != ']')
        return TEL_WHY("a section's line ends with its ']'; the section is ignored");
    name = tel_str_trim(name);
    if (tel_str_is(name, "defaults")) {
        conf->section = TEL_CONF_DEFAULTS;
        return NULL;
    }
    if (!tel_str_starts(name, "match ") && !tel_str_starts(name, "match\t"))
        return TEL_WHY("neither [defaults] nor [match GLOB]; the section is ignored");
    conf->glob = plain(tel_str_from_pos(name, MATCH_LEN));
    conf->section = TEL_CONF_MATCH;
    return NULL;
}

static const char *split(struct tel_conf_item *item, struct tel_str line)
{
    item->key = tel_str_trim(tel_str_take(&line, '='));
    if (line.ptr == NULL)
        return TEL_WHY("neither [SECTION] nor KEY = VALUE");
    item->value = plain(line);
    return NULL;
}

/* Why the line is no assignment that counts; NULL without a value when there is nothing on it. */
static const char *read_line(struct tel_conf *conf, struct tel_conf_item *item, struct tel_str line)
{
    const char first = line.len > 0 ? line.ptr[0] : '#';

    /* Were a bad first line just left out, its keys would go to the section before. */
    if (first == '[')
        conf->section = TEL_CONF_IGNORED;
    if (line.len > TEL_CONF_LINE_MAX)
        return TEL_WHY("longer than 4096 bytes");
    if (tel_str_find(line, '\0') >= 0)
        return TEL_WHY("there is a NUL byte in it");
    if (first == '[')
        return open_section(conf, line);
    if (first == '#' || first == ';' || conf->section == TEL_CONF_IGNORED)
        return NULL;
    if (conf->section == TEL_CONF_NO_SECTION)
        return TEL_WHY("outside of a section: begin one with [defaults] or [match GLOB]");
    return split(item, line);
}

void tel_conf_open(struct tel_conf *conf, struct tel_str text)
{
    *conf = (struct tel_conf){.rest = text};
    if (tel_str_starts(text, "\xef\xbb\xbf")) /* a byte order mark, as some editors begin a file */
        conf->rest = tel_str_from_pos(text, 3);
}

bool tel_conf_next(struct tel_conf *conf, struct tel_conf_item *item)
{
    while (conf->rest.len > 0) {
        const struct tel_str line = take_line(conf);

        *item = (struct tel_conf_item){0};
        item->why = read_line(conf, item, line);
        if (item->why != NULL)
            *item = (struct tel_conf_item){TEL_STR_NONE, line, item->why};
        if (item->value.ptr != NULL)
            return true;
    }
    return false;
}
