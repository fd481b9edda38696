# Whether the environment can run on this machine: judge of preflight.py, with what sh finds out.

BEGIN {
@PLATFORMS@
    label["glibc"] = "glibc"
    label["glibcxx"] = "libstdc++ with GLIBCXX"
    label["cxxabi"] = "libstdc++ with CXXABI"
    label["macos"] = "macOS"
    label["__cuda"] = "a CUDA driver"
    label["__linux"] = "Linux"
    label["__win"] = "Windows"
    label["__unix"] = "Unix"
    virtual["glibc"] = "__glibc"
    virtual["macos"] = "__osx"
    only["__unix"] = "Linux Darwin"
    only["__linux"] = only["__glibc"] = "Linux"
    only["__osx"] = "Darwin"
    only["__win"] = "Windows"
}

function preflight(    platform, lacking, i, kind) {
    read_index()
    platform = string_at(content, "\"platform\":")
    if (!fits(platform))
        lacking = "it is for " platform ", and this machine is " ENVIRON["system"] " " ENVIRON["machine"]
    else {
        compare_needs()
        compare_requirements()
        for (i = 1; i <= kinds; i++) {
            kind = kind_at[i]
            if (kind == "__cuda") {
                print "say " word("warning: " toupper(substr(need[kind], 1, 1)) substr(need[kind], 2) \
                    "; what uses that will not run here.")
            } else lacking = lacking (lacking == "" ? "" : "; ") need[kind]
        }
    }
    if (lacking == "") return
    lacking = "This environment would not start here: " lacking "."
    if (ENVIRON["go_on"] != "") print "say " word("warning: " lacking)
    else print "fail 14 " word(lacking " @HINT@")
}

function fits(platform,    family, here, names) {
    family = platform
    sub(/-.*/, "", family)
    here = ENVIRON["system"]
    if (here == "" || !(family in systems)) return 1
    names = platform in machines ? machines[platform] : substr(platform, length(family) + 2)
    return here == systems[family] && index(" " names " ", " " ENVIRON["machine"] " ") > 0
}

# The newest versions of libraries that its files were linked with.
function compare_needs(    count, i, users, user, kind, version, has) {
    count = strings_at(content, "\"needed_by\":{")
    for (i = 1; i < count; i += 2) user[listed[i]] = listed[i + 1]
    count = strings_at(content, "\"needs\":{")
    for (i = 1; i < count; i += 2) {
        kind = listed[i]
        version = listed[i + 1]
        has = offer(kind)
        if (kind in label && has != "?" && (is_none(has) || compare(has, version) < 0))
            lack(kind, version, label[kind] " " version " (for " (kind in user ? user[kind] : "?") ")", has)
    }
}

# The virtual packages that its packages depend on.
function compare_requirements(    count, i, spec, name, kind, rest, version, build, has) {
    count = strings_at(content, "\"requires\":[")
    for (i = 1; i <= count; i++) {
        spec = listed[i]
        gsub(/^ +| +$/, "", spec)
        if (!match(spec, /^__[a-z0-9_]+/)) continue
        name = substr(spec, 1, RLENGTH)
        rest = substr(spec, RLENGTH + 1)
        if (rest !~ /^([ <>=!~]|$)/) continue
        sub(/^ +/, "", rest)
        version = build = rest
        sub(/ .*/, "", version)
        build = substr(rest, length(version) + 1)
        sub(/^ +/, "", build)
        kind = name == "__glibc" ? "glibc" : name == "__osx" ? "macos" : name
        has = offer(kind)
        if (has == "?") continue
        if (kind == "__archspec") {
            if (build ~ /^x86_64_v[1-4]$/ && has != "" && has < build)
                lack(kind, substr(build, 9), "", has, "it needs a processor of the level " build ", and this machine" \
                    "\047s has " has)
        } else if (kind in label && (is_none(has) || meets(has, version) == 0))
            lack(kind, version, label[kind] (version == "" ? "" : " " version), has)
    }
}

# Of each kind the highest version is told.
function lack(kind, version, what, has, text,    order) {
    if (text == "") text = "it needs " what ", and this machine has " (has == "" ? "none" : has)
    if (!(kind in need)) kind_at[++kinds] = kind
    else {
        order = compare_lists(version, lacked[kind])
        if (order < 0 || (order == 0 && text <= need[kind])) return
    }
    need[kind] = text
    lacked[kind] = version
}

function is_none(has) {
    return has == "" || has ~ /^musl/
}

# What this machine has of a kind, empty for none and ? if that is not known.
function offer(kind,    name, override, release) {
    name = kind in virtual ? virtual[kind] : kind
    override = "CONDA_OVERRIDE_" toupper(substr(name, 3))
    if (name ~ /^__/ && override in ENVIRON) {
        override = ENVIRON[override]
        gsub(/^[ \t\n\r]+|[ \t\n\r]+$/, "", override)
        return override
    }
    if (name in only && ENVIRON["system"] == "") return "?"
    if (name in only && !index(only[name], ENVIRON["system"])) return ""
    if (name == "__unix" || name == "__win") return "0"
    if (name == "__linux") {
        release = ENVIRON["release"]
        sub(/[^0-9.].*/, "", release)
        return release
    }
    if (kind == "glibc" || kind == "macos") return ENVIRON[kind] == "" ? "?" : ENVIRON[kind]
    return kind == "__archspec" ? level() : "?"
}

# What the processor flags of Linux say of the levels of the x86-64 psABI.
function level(    line, levels, i, j, names, count) {
    if (ENVIRON["machine"] !~ /^(x86_64|amd64)$/) return "?"
    RS = "\n"
    while ((getline line < "/proc/cpuinfo") > 0 && line !~ /^flags/);
    close("/proc/cpuinfo")
    if (line !~ /^flags/) return "?"
    line = line " "
    levels[2] = "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
    levels[3] = "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
    levels[4] = "avx512f avx512bw avx512cd avx512dq avx512vl"
    for (i = 2; i <= 4; i++) {
        count = split(levels[i], names, " ")
        for (j = 1; j <= count; j++) if (!index(line, " " names[j] " ")) return "x86_64_v" i - 1
    }
    return "x86_64_v4"
}

# ------------------------------------------------------------------ versions

# Whether a version is in a simple constraint; -1 for a form that is not known here.
function meets(version, constraint,    choices, terms, count, i, j, n, all, any, met) {
    if (constraint == "" || constraint == "*") return 1
    count = split(constraint, choices, "|")
    for (i = 1; i <= count; i++) {
        n = split(choices[i], terms, ",")
        all = n > 0
        if (!n) return -1
        for (j = 1; j <= n; j++) {
            met = meets_term(version, terms[j])
            if (met < 0) return -1
            all = all && met
        }
        any = any || all
    }
    return any + 0
}

function meets_term(version, term,    operator, star, other, order) {
    gsub(/^ +| +$/, "", term)
    match(term, /^(>=|<=|==|!=|~=|=|<|>)?/)
    operator = substr(term, 1, RLENGTH)
    other = substr(term, RLENGTH + 1)
    star = sub(/\.?[*]$/, "", other)
    if (other !~ /^[0-9][a-z0-9.]*$/ || (star && operator == "==")) return -1
    order = compare(version, other)
    if (operator == "~=") {
        if (!sub(/\.[^.]*$/, "", other)) other = ""
        return order >= 0 && begins(version, other)
    }
    if (operator == "=" || (star && operator ~ /^(!=)?$/)) return begins(version, other) == (operator != "!=")
    if (operator == "!=") return order != 0
    if (operator == ">=") return order >= 0
    if (operator == "<=") return order <= 0
    if (operator == ">") return order > 0
    if (operator == "<") return order < 0
    return order == 0
}

function begins(version, other,    one, two, count, i, n) {
    n = version_parts(version, one)
    count = version_parts(other, two)
    for (i = 1; i <= count; i++) if (i > n || one[i] != two[i]) return 0
    return 1
}

# -1, 0 or 1: numbers between dots, and letters, which come before the end (3.0.a0 is before 3.0).
function compare(version, other,    one, two, i, n, m) {
    n = version_parts(version, one)
    m = version_parts(other, two)
    for (i = 1; i <= n || i <= m; i++) if (one[i] + 0 != two[i] + 0) return one[i] + 0 > two[i] + 0 ? 1 : -1
    return 0
}

# The same, but what has more parts comes behind.
function compare_lists(version, other,    one, two, i, n, m) {
    n = version_parts(version, one)
    m = version_parts(other, two)
    for (i = 1; i <= n && i <= m; i++) if (one[i] != two[i]) return one[i] > two[i] ? 1 : -1
    return n - m
}

function version_parts(version, into,    count) {
    split("", into)
    version = tolower(version)
    while (match(version, /[0-9]+|[a-z]+/)) {
        into[++count] = substr(version, RSTART, RLENGTH)
        into[count] = into[count] ~ /[a-z]/ ? -1 : into[count] + 0
        version = substr(version, RSTART + RLENGTH)
    }
    return count + 0
}
