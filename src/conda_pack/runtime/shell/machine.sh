glibc_here() { # prints the version that this machine has, or "musl in its place"; nothing if nobody knows
    if [ -n "${CONDA_OVERRIDE_GLIBC+set}" ]; then
        printf '%s\n' "$CONDA_OVERRIDE_GLIBC"
        return
    fi
    {
        getconf GNU_LIBC_VERSION | sed -n 's/^glibc //p'
        ldd --version | sed -n '/^ldd (.*GLIBC\|^ldd (GNU libc/s/.* \([0-9][0-9.]*\)$/\1/p' # musl says it otherwise
        set -- /lib/ld-musl-*
        [ ! -e "$1" ] || echo 'musl in its place'
    } 2>/dev/null | sed 1q 2>/dev/null
}
