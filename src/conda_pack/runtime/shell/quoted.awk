# JSON strings, written as Python writes them. POSIX awk in the locale C, where a character is a byte.
# No apostrophe may be in here or in the other programs: sh quotes them with it.

BEGIN {
    for (code = 1; code < 256; code++) code_of[sprintf("%c", code)] = code
    for (code = 1; code < 8; code++) escaped[substr("\"\\\b\f\n\r\t", code, 1)] = "\\" substr("\"\\bfnrt", code, 1)
}

# With all that is not ASCII escaped, or as it is.
function quoted(value, ascii,    text, i, letter, code) {
    if (value ~ /^[] !#-[^-~]*$/) return "\"" value "\""
    for (i = 1; i <= length(value); i += wide) {
        letter = substr(value, i, 1)
        code = code_of[letter]
        wide = 1
        if (letter in escaped) text = text escaped[letter]
        else if (code < 32) text = text escape(code)
        else if (code < 127 || !ascii) text = text letter
        else if ((code = character(value, i)) < 0) text = text escape(56320 + code_of[letter])
        else if (code < 65536) text = text escape(code)
        else text = text escape(55296 + int((code - 65536) / 1024)) escape(56320 + code % 1024)
    }
    return "\"" text "\""
}

function escape(code) {
    return sprintf("\\u%04x", code)
}

# The code of the character that begins at a byte, and in `wide` of how many bytes it is; -1 where none begins.
function character(text, i,    code, k, more, least) {
    code = code_of[substr(text, i, 1)]
    wide = code < 128 ? 1 : code < 194 ? 0 : code < 224 ? 2 : code < 240 ? 3 : code < 245 ? 4 : 0
    least = wide == 3 ? 2048 : wide == 4 ? 65536 : 0
    if (wide > 1) code %= wide == 2 ? 32 : wide == 3 ? 16 : 8
    for (k = 1; k < wide; k++) {
        more = code_of[substr(text, i + k, 1)] + 0
        if (more < 128 || more > 191) break
        code = code * 64 + more - 128
    }
    if (wide && k >= wide && code >= least && code < 1114112 && (code < 55296 || code > 57343)) return code
    wide = 1
    return -1
}
