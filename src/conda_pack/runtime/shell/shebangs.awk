# The first lines that installers write: render_shebang of rules.py.

function shebang(line, placeholder, prefix, rule,    text, newline, new) {
    newline = line ~ /\n$/ ? "\n" : ""
    text = substr(line, 1, length(line) - length(newline))
    if (rule == "conda") {
        if (newline != "") text = replaced(text, "#!" placeholder, "#!" replaced(prefix, " ", "\\ "))
        text = replaced(text, placeholder, prefix)
        if (length(text) > limit || is_escaped(text)) text = long_shebang(text, 0)
    } else if (rule == "rattler") {
        if (index(prefix, " ")) {
            text = index(text, placeholder) ? long_shebang(text, 1) : text
            return replaced(text, placeholder, prefix) newline
        }
        text = replaced(text, placeholder, prefix)
        if (length(text) > limit) text = long_shebang(text, 1)
    } else text = generated_shebang(text, placeholder, prefix, rule)
    return text newline
}

function long_shebang(text, for_python) {
    if (!split_shebang(text)) return text
    if (for_python && is_python(base_name(executable))) return exec_shebang()
    return "#!/usr/bin/env " base_name(executable) options
}

function exec_shebang() {
    return "#!/bin/sh\n\047\047\047exec\047 \"" executable "\"" options " \"$0\" \"$@\" #\047\047\047"
}

function generated_shebang(text, placeholder, prefix, rule,    new, count) {
    new = replaced(text, placeholder, prefix)
    if (!split_shebang(text)) return new
    executable = replaced(executable, placeholder, prefix)
    options = replaced(options, placeholder, prefix)
    count = (rule == "conda-entry" ? characters(new) : length(new)) + 1
    if (count <= limit && !index(executable, " ")) return new
    if (rule == "distlib" && is_python(base_name(executable))) {
        if (index(executable, " ")) executable = "\"" executable "\""
        return "#!/bin/sh\n\047\047\047exec\047 " executable options " \"$0\" \"$@\"\n\047 \047\047\047"
    }
    if (rule == "conda-entry") return exec_shebang()
    return "#!/usr/bin/env " base_name(executable) options
}

# Sets the executable, in which a space may be escaped, and the options behind it.
function split_shebang(text,    i, start, letter) {
    for (start = 3; substr(text, start, 1) == " "; start++);
    if (substr(text, 1, 2) != "#!" || substr(text, start, 1) != "/" || index(text, "\n")) return 0
    for (i = start + 1; i <= length(text); i++) {
        letter = substr(text, i, 1)
        if (letter == "\\" && substr(text, i + 1, 1) == " ") i++
        else if (letter ~ /[ \t\r]/) break
    }
    executable = substr(text, start, i - start)
    options = substr(text, i)
    return 1
}

function is_escaped(text,    space) {
    if (!split_shebang(text)) return 0
    space = index(executable, "\\ ")
    return space && index(substr(executable, space), "/")
}

function is_python(name) {
    return name ~ /^python([0-9]+(\.[0-9]+)?)?$/
}

function characters(text,    i, count) {
    for (i = 1; i <= length(text); i++) count += code_of[substr(text, i, 1)] < 128 || code_of[substr(text, i, 1)] > 191
    return count
}
