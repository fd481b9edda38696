# What relocate.sh cannot do itself: apply the rules of rules.py that need more than copying.

# ------------------------------------------------------------------ a conda-meta file with new digests

# Reads lines of: number among the paths, sha256, size, fields, name as a JSON string. Then an empty line and the
# file, with a letter behind it, because awk does not tell whether a separator was at the end.
function update(    line, words, text, last, pieces, changes) {
    while ((getline line) > 0 && line != "") {
        split(line, words, " ")
        change[words[1]] = line
        changes++
    }
    RS = "}"
    while ((getline text) > 0) {
        if (pieces++) printf "%s}", last
        last = patched(text)
    }
    printf "%s", substr(last, 1, length(last) - 2)
    exit failed || updated + 0 < changes + 0
}

function patched(text,    start) {
    start = begun ? 1 : index(text, "\"paths_data\": {")
    begun = begun || start
    if (!begun || !index(substr(text, start), "\"_path\": ") || !((number++ + 0) in change)) return text
    start += index(substr(text, start), "\"_path\": ")
    while (start > 1 && substr(text, start, 1) != "{") start--
    return substr(text, 1, start - 1) with_values(substr(text, start), change[number - 1])
}

function with_values(item, line,    words, fields, count, i) {
    split(line, words, " ")
    line = substr(line, index(line, "\""))
    if (base_name(string_at(item, "\"_path\": ")) != base_name(unquoted(line))) failed = 1
    count = split(words[4], fields, ",")
    for (i = 1; i <= count; i++)
        item = with_value(item, "\"" fields[i] "\": ", fields[i] ~ /^size/ ? words[3] : "\"" words[2] "\"")
    updated++
    return item
}

function with_value(item, key, value,    at, rest) {
    at = index(item, key)
    rest = substr(item, at + length(key))
    if (!at || index(rest, key) || !match(rest, /^("[0-9a-f]*"|[0-9]+)/)) failed = 1
    return substr(item, 1, at - 1) key value substr(rest, RLENGTH + 1)
}

# ------------------------------------------------------------------ the plan: shell code for all files with prefixes

function plan(    i) {
    read_index()
    prefix[0] = ENVIRON["prefix"]
    check_length()
    read_state()
    out_state()
    for (i = 1; i <= items; i++) plan_record(item[i])
    flush_out()
}

# The state while files are written, and when they are.
function out_state(    i, unfinished, text, ascii) {
    if (!is_utf_8(prefix[0])) only_python("the prefix is no UTF-8")
    formers = 0
    if (former != "" && former != prefix[0]) prefix[++formers] = former
    for (i = 1; i <= killeds; i++)
        if (killed[i] != prefix[0]) prefix[++formers] = killed[i]
    for (i = 1; i <= formers; i++) if (!is_utf_8(prefix[i])) ascii = 1
    for (i = 1; i <= killeds; i++)
        if (killed[i] != prefix[0]) unfinished = unfinished quoted(killed[i], ascii) ", "
    text = former == "" ? "" : "\"prefix\": " quoted(former, ascii) ", "
    out("state_begun=" word("{" text "\"unfinished\": [" unfinished quoted(prefix[0], ascii) "]}"))
    out("state_done=" word("{\"prefix\": " quoted(prefix[0]) "}"))
    out("is_done=" (former == prefix[0] && !killeds ? 1 : ""))
    out_prefixes()
}

# What files may hold: p0 is what they should, s stands for what the archive has.
function out_prefixes(    i) {
    out("formers=" formers " fitss=1")
    for (i = 0; i <= formers; i++) out("p" i "=" word(prefix[i]) " l" i "=" length(prefix[i]))
}

function is_utf_8(text,    i) {
    for (i = 1; i <= length(text); i += wide) if (character(text, i) < 0) return 0
    return 1
}

function check_length(    longest, names, i, count) {
    longest = number_at(content, "\"longest_prefix\":")
    if (longest == "" || length(prefix[0]) <= longest) return
    count = strings_at(content, "\"limited_by\":[")
    for (i = 1; i <= count; i++) names = names (i > 1 ? ", " : "") listed[i]
    refuse(12, "the prefix " prefix[0] " is " length(prefix[0]) " bytes long, and this environment fits into " longest \
        " at most, because of " names ". Move it to a shorter path.")
}

function plan_record(text,    record, expected, conda_meta, count, found, i, reason) {
    expected = number_at(text, "\"prefixes\":")
    conda_meta = conda_meta_of(text)
    if (expected == 0 || (conda_meta != "" && !is_there(conda_meta))) return
    record = string_at(text, "\"record\":")
    count = read_entries(record)
    for (i = 1; i <= count; i++)
        if (has_prefix(entry[i])) {
            found++
            if ((reason = for_python(entry[i])) != "") only_python(reason)
            plan_entry(entry[i])
        }
    if (found + 0 != expected) malformed(record)
    if (conda_meta != "") out("conda_meta " word(conda_meta))
}

function is_there(path,    line, status) {
    status = (getline line < (unpacked "/" path))
    close(unpacked "/" path)
    return status >= 0
}

function has_prefix(text) {
    return index(text, "\"offsets\":") > 0
}

# Why awk and dd cannot relocate a file; empty if they can.
function for_python(text,    path) {
    path = string_at(text, "\"path\":")
    if (text ~ /"(sign|slashes)":/) return path " is a file for macOS or Windows"
    text = substr(text, index(text, "\"offsets\":"))
    gsub(/"encoding":"utf-8"/, "", text)
    return index(text, "\"encoding\":") ? path " holds the prefix in another encoding than UTF-8" : ""
}

function only_python(fact) {
    refuse(13, fact ", which takes a Python from 3.6 on: none is in this environment or on PATH.")
}

# One file: what it may hold now, where its pieces are, and the call that does it.
function plan_entry(text,    binary, placeholder, path, line, rule, i) {
    path = string_at(text, "\"path\":")
    binary = string_at(text, "\"file_mode\":") == "binary"
    placeholder = string_at(text, "\"prefix_placeholder\":")
    line = string_at(text, "\"shebang\":")
    rule = string_at(text, "\"shebang_rule\":")
    read_places(text, binary)
    out("shape() {\n" shape(length(line), length(placeholder), path) "\n}")
    out("relative=" word(path) " folder=" word(folder_of(path)))
    out("stored=" string_at(text, "\"sha256\":") " ps=" word(placeholder) " ls=" length(placeholder))
    head["s"] = index(text, "\"trampoline\":") ? string_at(text, "\"trampoline\":") : line
    out("hs=" word(head["s"]) " hls=" length(head["s"]) " size_s=" number_at(text, "\"size\":") + 0)
    for (i = 0; i <= formers; i++) {
        head[i] = line == "" ? "" : shebang(line, placeholder, prefix[i], rule)
        out("h" i "=" word(head[i]) " hl" i "=" length(head[i]) " fits" i "=" may_hold(i, length(placeholder)))
    }
    out("size_0=" (number_at(text, "\"size\":") + length(head[0]) - length(head["s"]) \
        + (binary ? 0 : places * (length(prefix[0]) - length(placeholder)))))
    out("fields=" fields_of(text) " number=" number_at(text, "\"index\":") " name=" word(quoted(base_name(path))))
    out("relocate_file")
}

function may_hold(i, longest) {
    return prefix[i] != "" && !(gaps && length(prefix[i]) > longest) ? 1 : ""
}

function folder_of(path) {
    return path ~ /\// ? substr(path, 1, length(path) - length(base_name(path)) - 1) : ""
}

# The fields in conda-meta that follow the prefix, with commas between them.
function fields_of(text,    fields) {
    if (!match(text, /"fields":\[[a-z0-9_",]*\]/)) return ""
    fields = substr(text, RSTART + 10, RLENGTH - 11)
    gsub(/"/, "", fields)
    return fields
}

# Where the file has a prefix or, in a C string, its end; sorted.
function read_places(text, binary,    ranges, lists, count, i, j, numbers, n) {
    places = gaps = 0
    text = substr(text, index(text, "\"offsets\":"))
    while (match(text, /"encoding":"[^"]*","ranges":[][0-9,]*/)) {
        ranges = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        ranges = substr(ranges, index(ranges, "["))
        count = split(ranges, lists, /\],\[/)
        for (i = 1; i <= count; i++) {
            gsub(/[][]/, "", lists[i])
            n = split(lists[i], numbers, ",")
            for (j = 1; j <= n; j++)
                if (binary && j == n) add_place(numbers[j] + 0, n - 1)
                else add_place(numbers[j] + 0, 0)
        }
    }
}

function add_place(offset, prefixes,    i) {
    for (i = ++places; i > 1 && at[i - 1] > offset; i--) {
        at[i] = at[i - 1]
        gap[i] = gap[i - 1]
    }
    at[i] = offset
    gap[i] = prefixes
    gaps += prefixes > 0
}

function shape(position, length_of, path,    code, i) {
    code = position ? "head &&\n" : ""
    for (i = 1; i <= places; i++) {
        if (at[i] < position) malformed(path)
        code = code "keep " at[i] - position " &&\n" (gap[i] ? "gap " gap[i] : "prefix") " &&\n"
        position = at[i] + (gap[i] ? 0 : length_of)
    }
    return code "cat"
}
