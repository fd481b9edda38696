# Reading what lies in conda-meta/conda-pack, and what every action says to sh.
# Pack records and the index are compact JSON, as docs/format.md says; anything else is refused.

BEGIN {
    for (byte in escaped) unescaped[substr(escaped[byte], 2)] = byte
}

# Of the index: the object of its content and, below that, those of runtime files, of packages and of unmanaged.
function read_index(    file, chunk, object) {
    RS = "{"
    unpacked = ENVIRON["environment"]
    file = unpacked "/conda-meta/conda-pack/index.json"
    # An object begins with one of these words, and no string can hold a brace with a quote behind it.
    while ((getline chunk < file) > 0)
        if (chunk ~ /^"(format|dist|record|path|part)":/) {
            index_object(object)
            object = chunk
        } else object = object "{" chunk
    index_object(object)
    close(file)
    if (!unmanaged || string_at(content, "\"platform\":") == "") malformed("index.json")
    limit = string_at(content, "\"platform\":") ~ /^osx/ ? 512 : 127 # bytes of a first line, as in rules.py
}

function index_object(text) {
    if (text ~ /"conda_pack":/ && content == "") identity = string_at(text, "\"identity\":")
    else if (text ~ /^"format":/) content = text
    else if (text ~ /^"path":/) runtime[++runtimes] = text
    else if (text ~ /^"(dist|record)":/) item[++items] = text
    if (text ~ /^"record":/) unmanaged = 1
}

# Where a package was recorded by its installer; empty for unmanaged files.
function conda_meta_of(text) {
    return text ~ /^"dist":/ ? "conda-meta/" string_at(text, "\"dist\":") ".json" : ""
}

# The entries of a pack record, in `entry`; returns how many.
function read_entries(record,    file, chunk, count) {
    file = unpacked "/" record
    count = 0
    while ((getline chunk < file) > 0)
        if (chunk ~ /^"path":/) entry[++count] = chunk
        else if (count) entry[count] = entry[count] "{" chunk
    close(file)
    return count
}

# Each former prefix that files may hold: of the last run that ended, and of those killed since.
function read_state(    file, chunk, text) {
    file = unpacked "/conda-meta/conda-pack/state.json"
    while ((getline chunk < file) > 0) text = text "{" chunk
    close(file)
    if (match(text, /"prefix": */) && substr(text, RSTART + RLENGTH, 1) == "\"")
        former = unquoted(substr(text, RSTART + RLENGTH))
    if (!match(text, /"unfinished": *\[ */)) return
    text = substr(text, RSTART + RLENGTH)
    while (substr(text, 1, 1) == "\"") {
        killed[++killeds] = unquoted(text)
        sub(/^"([^"\\]|\\.)*"[, ]*/, "", text)
    }
}

function base_name(path) {
    sub(/^.*\//, "", path)
    return path
}

# ------------------------------------------------------------------ what sh reads

function out(code) {
    output[++outputs] = code
}

function flush_out(    i) {
    for (i = 1; i <= outputs; i++) print output[i]
}

function word(text) {
    return "\047" replaced(text, "\047", "\047\\\047\047") "\047"
}

function replaced(text, old, new,    done, at) {
    while (old != "" && (at = index(text, old)) > 0) {
        done = done substr(text, 1, at - 1) new
        text = substr(text, at + length(old))
    }
    return done text
}

function refuse(code, sentence) {
    print "fail " code " " word(sentence)
    exit 1
}

function malformed(what) {
    refuse(10, what " cannot be read: unpack the archive again, or install a Python from 3.6 on.")
}

# ------------------------------------------------------------------ JSON

# What stands behind a key. A quoted word before a colon is always one, because in strings quotes are escaped.
function string_at(text, key,    at) {
    at = index(text, key)
    return at && substr(text, at + length(key), 1) == "\"" ? unquoted(substr(text, at + length(key))) : ""
}

function number_at(text, key,    at) {
    at = index(text, key)
    if (!at || !match(substr(text, at + length(key)), /^[0-9]+/)) return ""
    return substr(text, at + length(key), RLENGTH) + 0
}

# The strings of a list or an object behind a key (such as "names":[), in `listed`; returns how many.
function strings_at(text, key,    at, count) {
    at = index(text, key)
    text = at ? substr(text, at + length(key)) : ""
    count = 0
    while (substr(text, 1, 1) == "\"") {
        listed[++count] = unquoted(text)
        sub(/^"([^"\\]|\\.)*"[,:]?/, "", text)
    }
    return count
}

# The string that a text begins with.
function unquoted(text,    value, at, letter, code) {
    if (!match(text, /^"([^"\\]|\\.)*"/)) malformed(substr(text, 1, 80))
    text = substr(text, 2, RLENGTH - 2)
    while ((at = index(text, "\\")) > 0) {
        value = value substr(text, 1, at - 1)
        letter = substr(text, at + 1, 1)
        text = substr(text, at + 2)
        if (letter != "u") {
            value = value (letter in unescaped ? unescaped[letter] : letter)
            continue
        }
        code = hexadecimal(substr(text, 1, 4))
        text = substr(text, 5)
        if (code >= 55296 && code < 56320 && text ~ /^\\u/) {
            code = 65536 + (code - 55296) * 1024 + hexadecimal(substr(text, 3, 4)) - 56320
            text = substr(text, 7)
        }
        value = value utf_8(code)
    }
    return value text
}

function hexadecimal(digits,    i, number) {
    for (i = 1; i <= 4; i++) number = number * 16 + index("123456789abcdef", tolower(substr(digits, i, 1)))
    return number
}

function utf_8(code) {
    if (code > 56447 && code < 56576) return sprintf("%c", code - 56320) # a byte that is no text, as Python has it
    if (code == 0 || (code >= 55296 && code < 57344)) malformed("a name that is no text")
    if (code < 128) return sprintf("%c", code)
    if (code < 2048) return sprintf("%c", 192 + int(code / 64)) continued(code, 1)
    if (code < 65536) return sprintf("%c", 224 + int(code / 4096)) continued(code, 64) continued(code, 1)
    return sprintf("%c", 240 + int(code / 262144)) continued(code, 4096) continued(code, 64) continued(code, 1)
}

function continued(code, unit) {
    return sprintf("%c", 128 + int(code / unit) % 64)
}
