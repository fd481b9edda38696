glibc_here() { # prints the version that this machine has, or "musl in its place"; nothing if nobody knows
    if [ -n "${CONDA_OVERRIDE_GLIBC+set}" ]; then
        printf '%s\n' "$CONDA_OVERRIDE_GLIBC"
        return
    fi
    found=$(getconf GNU_LIBC_VERSION 2>/dev/null)
    case $found in
        'glibc '*) found=${found#glibc } ;;
        *) # musl's ldd says it otherwise
            found=$({ ldd --version | sed -n '/^ldd (.*GLIBC\|^ldd (GNU libc/s/.* \([0-9][0-9.]*\)$/\1/p'; } 2>/dev/null)
            set -- /lib/ld-musl-*
            [ -n "$found" ] || [ ! -e "$1" ] || found='musl in its place'
            ;;
    esac
    [ -z "$found" ] || printf '%s\n' "$found"
}
