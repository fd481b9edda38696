# What is needed to compare an environment with its records, and to tell of it.

# ------------------------------------------------------------------ status

# The variables for sh, and the JSON around what only sh can tell.
function show_status(    i, list) {
    read_index()
    read_state()
    for (i = 1; i <= killeds; i++) list = list (i > 1 ? ", " : "") quoted(killed[i], 1)
    print "former=" word(former) " killed=" word(killed[killeds])
    print "before_moved=" word("{\"prefix\": " quoted(ENVIRON["prefix"], 1) ", \"identity\": " \
        (identity == "" ? "null" : quoted(identity, 1)) ", \"relocated_to\": " \
        (former == "" ? "null" : quoted(former, 1)) ", \"moved\": ")
    print "before_current=" word(", \"unfinished\": [" list "], \"current\": ")
}

# ------------------------------------------------------------------ the records

# The content of the index as it is there, whose digest is the identity.
function bare_content(    text, chunk, file, at) {
    RS = "{"
    file = ENVIRON["environment"] "/conda-meta/conda-pack/index.json"
    while ((getline chunk < file) > 0) text = text "{" chunk
    text = substr(text, index(text, "\"content\":") + 10)
    if ((at = index(text, ",\"segments\":[")) > 0) text = substr(text, 1, at - 1)
    else sub(/}[ \n]*$/, "", text)
    printf "%s", text
}

# The identity, and what is to be compared of records; sh tells back those whose entries are not to be read.
function plan_records(    i) {
    read_index()
    out("identity=" word(identity))
    for (i = 1; i <= items; i++)
        out("check_record " i " " word(conda_meta_of(item[i])) " " word(string_at(item[i], "\"record\":")) " " \
            word(string_at(item[i], "\"record_sha256\":")))
    flush_out()
}

# ------------------------------------------------------------------ the files

# Prints how many paths there are and, from the next line on, what compares each.
function plan_entries(    i, bad) {
    read_index()
    read_state()
    prefix[0] = former
    for (formers = 0; formers < killeds; formers++) prefix[formers + 1] = killed[formers + 1]
    out_prefixes()
    for (i = 1; i <= runtimes; i++) compare_path(runtime[i])
    flush_batches()
    bad = ENVIRON["bad"]
    for (i = 1; i <= items; i++)
        if (index(bad, " " i " ")) see(conda_meta_of(item[i]))
        else {
            see(string_at(item[i], "\"record\":"))
            if (!index(ENVIRON["changed"], " " i " ")) compare_record(item[i])
        }
    out("completed=1")
    gsub(/\n/, " ", uncompared)
    print "paths=" seens " uncompared=" word(uncompared)
    flush_out()
}

function see(path) {
    if (!(path in seen)) seens++
    seen[path] = 1
}

function compare_record(text,    record, conda_meta, count, found, i, changes, own) {
    record = string_at(text, "\"record\":")
    conda_meta = conda_meta_of(text)
    count = read_entries(record)
    for (i = 1; i <= count; i++) {
        found += has_prefix(entry[i])
        changes = changes change_of(entry[i])
        if (conda_meta != "" && string_at(entry[i], "\"path\":") == conda_meta) own = entry[i]
        else compare_path(entry[i])
    }
    if (found + 0 != number_at(text, "\"prefixes\":")) malformed(record)
    if (own != "") {
        see(conda_meta)
        out((changes == "" ? "plain " : "own_conda_meta ") word(conda_meta) " " string_at(own, "\"sha256\":") \
            (changes == "" ? "" : " " word(changes)))
    }
    flush_batches()
}

# For conda-meta: what it told of a file when it was packed.
function change_of(text) {
    if (!index(text, "\"conda_meta\":")) return ""
    return number_at(text, "\"index\":") " " string_at(text, "\"sha256\":") " " number_at(text, "\"size\":") + 0 " " \
        fields_of(text) " " quoted(base_name(string_at(text, "\"path\":"))) "\n"
}

function compare_path(text,    path, type, target, mode) {
    path = string_at(text, "\"path\":")
    type = string_at(text, "\"type\":")
    if (type == "directory") out("directory " word(path))
    else if (type == "link") {
        target = string_at(text, "\"target\":")
        if ((path target) ~ /\n/) out("link " word(path) " " word(target))
        else {
            targets = targets (links ? "\n" : "") target
            linked = linked " " word("./" path)
            if (++links == 200) flush_links()
        }
    } else {
        if (!has_prefix(text)) out("plain " word(path) " " string_at(text, "\"sha256\":"))
        else if (for_python(text) != "") {
            uncompared = uncompared (uncompared == "" ? "" : ", ") path
            return
        } else {
            out("optional=" (text ~ /"optional":true/))
            plan_entry(text)
        }
        mode = number_at(text, "\"mode\":")
        if (mode != "" && int(mode / 64) % 2) {
            executables = executables " " word("./" path)
            if (++executable == 200) flush_executables()
        }
    }
    see(path)
}

function flush_batches() {
    flush_links()
    flush_executables()
}

function flush_links() {
    if (links) out("links " word(targets) linked)
    links = 0
    targets = linked = ""
}

function flush_executables() {
    if (executable) out("executables" executables)
    executable = 0
    executables = ""
}

# ------------------------------------------------------------------ the findings

# Reads PROBLEM/PATH// of each, and that all were compared; prints how many there are and, from the next line on,
# what is for standard output.
function show_findings(    text, line, parts, count, i, at, path, problem, names, n) {
    while ((getline line) > 0) text = text line "\n"
    count = split(text, parts, "//")
    if (parts[count] !~ /^end/) return
    for (i = 1; i < count; i++) {
        at = index(parts[i], "/")
        problem = substr(parts[i], 1, at - 1)
        path = substr(parts[i], at + 1)
        if (!(path in problem_of)) names[++n] = path
        else if (problem == "not executable") continue
        problem_of[path] = problem
    }
    sort(names, n)
    print n + 0
    if (ENVIRON["json"] != "") printf "{\"prefix\": %s, \"paths\": %d, \"findings\": [", quoted(ENVIRON["prefix"], 1), ENVIRON["paths"]
    for (i = 1; i <= n; i++)
        if (ENVIRON["json"] == "") print problem_of[names[i]] ": " names[i]
        else printf "%s{\"path\": %s, \"problem\": %s}", (i > 1 ? ", " : ""), quoted(names[i], 1), quoted(problem_of[names[i]])
    if (ENVIRON["json"] != "") print "]}"
}

function sort(names, count,    gap, i, j, name) {
    for (gap = int(count / 2); gap > 0; gap = int(gap / 2))
        for (i = gap + 1; i <= count; i++) {
            name = names[i]
            for (j = i - gap; j > 0 && names[j] "" > name ""; j -= gap) names[j + gap] = names[j]
            names[j + gap] = name
        }
}

# ------------------------------------------------------------------ other results

# Reads PATH REASON// of each file that was left as it is.
function show_outcome(    text, line, parts, count, i) {
    while ((getline line) > 0) text = text line "\n"
    count = split(text, parts, "//")
    if (ENVIRON["json"] == "") {
        for (i = 1; i < count; i++) print "conda-unpack: warning: " parts[i]
        return
    }
    printf "{\"prefix\": %s, \"files_changed\": %d, \"warnings\": [", quoted(ENVIRON["prefix"], 1), ENVIRON["changed"]
    for (i = 1; i < count; i++) printf "%s%s", (i > 1 ? ", " : ""), quoted(parts[i], 1)
    print "]}"
}

# Reads variables as an object in JSON, a member on a line, and writes them as Python does.
function show_variables(    line, name, members) {
    while ((getline line) > 0) {
        if (!match(line, /^  "[A-Za-z0-9_]*": /)) continue
        name = substr(line, 3, RLENGTH - 2)
        line = substr(line, RLENGTH + 1)
        line = line ~ /^"/ ? quoted(unquoted(line), 1) : "null"
        members = members (members == "" ? "" : ENVIRON["json"] == "" ? ",\n  " : ", ") name line
    }
    if (ENVIRON["json"] != "") print "{\"prefix\": " quoted(ENVIRON["prefix"], 1) ", \"variables\": {" members "}}"
    else print (members == "" ? "{}" : "{\n  " members "\n}")
}
