# Leaves the environment that activate.ps1 (or bin/activate, in a parent shell) activated last:
#   . path/to/env/bin/deactivate.ps1       (on Windows: Scripts\deactivate.ps1)
#
# What it gives back is described in bin/deactivate.
& {
    # Hooks are rarely written for strict sessions, so they get a lenient one.
    Set-StrictMode -Off
    $ErrorActionPreference = 'Continue'

    function Get-Own($name) { [Environment]::GetEnvironmentVariable($name) }
    function Set-Own($name, $value) {
        # $null would be made an empty text, which removes no variable from .NET 9 on
        if ($null -eq $value) { [Environment]::SetEnvironmentVariable($name, [NullString]::Value) }
        else { [Environment]::SetEnvironmentVariable($name, $value) }
    }

    $prefix = $Env:CONDA_PREFIX
    if (-not $prefix) { return }
    $level = [int] "0$Env:CONDA_SHLVL"
    if ((Get-Own "CONDA_STACKED_$level") -ne $prefix) {
        Write-Error "conda-pack: $prefix was not activated by its activate.ps1; try: conda deactivate"
        return
    }
    $outer = $level - 1
    $separator = [IO.Path]::PathSeparator

    # 1. The packages' own hooks, last one first.
    $folder = Join-Path (Join-Path (Join-Path $prefix 'etc') 'conda') 'deactivate.d'
    if (Test-Path -LiteralPath $folder) {
        [string[]] $hooks = @(Get-ChildItem -LiteralPath $folder -Filter '*.ps1' | ForEach-Object { $_.FullName })
        [Array]::Sort($hooks, [StringComparer]::Ordinal)
        [Array]::Reverse($hooks)
        foreach ($hook in $hooks) { . $hook }
    }

    # 2. The environment's own variables.
    foreach ($name in @("$(Get-Own "CONDA_PACK_VARS_$level")" -split ' ' | Where-Object { $_ })) {
        Set-Own $name (Get-Own "__CONDA_SHLVL_${outer}_$name")
        Set-Own "__CONDA_SHLVL_${outer}_$name" $null
    }

    # 3. The first mention of each of its folders on PATH is activate's.
    $folders = @(Join-Path $prefix 'bin')
    if ($separator -eq ';') {
        $below = 'Library\mingw-w64\bin', 'Library\usr\bin', 'Library\bin', 'Scripts', 'bin'
        $folders = @($prefix) + @($below | ForEach-Object { Join-Path $prefix $_ })
    }
    $path = [Collections.Generic.List[string]] @("$Env:PATH" -split [regex]::Escape($separator))
    foreach ($folder in $folders) { [void] $path.Remove($folder) }
    $Env:PATH = $path -join $separator

    # 4. What activate kept: what was unset is unset again.
    Set-Own "CONDA_STACKED_$level" $null
    Set-Own "CONDA_PACK_VARS_$level" $null
    foreach ($name in 'CONDA_PREFIX', 'CONDA_DEFAULT_ENV', 'CONDA_PROMPT_MODIFIER', 'CONDA_SHLVL') {
        Set-Own $name (Get-Own "${name}_$outer")
        Set-Own "${name}_$outer" $null
    }
}

# The prompt, unless it has another environment of ours to show.
if ((Test-Path Function:\_conda_pack_prompt) -and -not (Test-Path "Env:\CONDA_STACKED_$Env:CONDA_SHLVL")) {
    Set-Item Function:\global:prompt $Function:_conda_pack_prompt
    Remove-Item Function:\_conda_pack_prompt
}
