# Activates this environment in PowerShell:  . path/to/env/bin/activate.ps1       (on Windows: Scripts\activate.ps1)
# Undone by:                                 . path/to/env/bin/deactivate.ps1
#
# What is set, and what is kept for later, is described in bin/activate: PowerShell has it in its own words, because
# Windows has no sh. In a block of its own, so that no variable is left behind.
& {
    param([string] $here)

    # Hooks are rarely written for strict sessions, so they get a lenient one.
    Set-StrictMode -Off
    $ErrorActionPreference = 'Continue'

    function Get-Own($name) { [Environment]::GetEnvironmentVariable($name) }
    function Set-Own($name, $value) {
        # $null would be made an empty text, which removes no variable from .NET 9 on
        if ($null -eq $value) { [Environment]::SetEnvironmentVariable($name, [NullString]::Value) }
        else { [Environment]::SetEnvironmentVariable($name, $value) }
    }

    $prefix = Split-Path -Parent $here
    $separator = [IO.Path]::PathSeparator

    # Already active? Then leave first.
    $level = [int] "0$Env:CONDA_SHLVL"
    if ($Env:CONDA_PREFIX -eq $prefix -and (Get-Own "CONDA_STACKED_$level") -eq $prefix) {
        . (Join-Path $here 'deactivate.ps1')
        $level = [int] "0$Env:CONDA_SHLVL"
    }

    # Is it where conda-unpack left it?
    $state = Join-Path (Join-Path (Join-Path $prefix 'conda-meta') 'conda-pack') 'state.json'
    if (Test-Path -LiteralPath $state) {
        $known = [IO.File]::ReadAllText($state) | ConvertFrom-Json
        $hint = $null
        if ($known.unfinished) { $hint = 'was relocated only in part' }
        elseif ($known.prefix -and $known.prefix -ne $prefix) { $hint = "was moved from $($known.prefix)" }
        if ($hint) { [Console]::Error.WriteLine("conda-pack: hint: $prefix ${hint}: run conda-unpack") }
    }

    # Keep what is there now.
    foreach ($name in 'CONDA_PREFIX', 'CONDA_DEFAULT_ENV', 'CONDA_PROMPT_MODIFIER', 'CONDA_SHLVL') {
        Set-Own "${name}_$level" (Get-Own $name)
    }

    # Activate.
    $inner = $level + 1
    $name = Split-Path -Leaf $prefix
    $Env:CONDA_SHLVL = "$inner"
    Set-Own "CONDA_STACKED_$inner" $prefix
    $Env:CONDA_PREFIX = $prefix
    $Env:CONDA_DEFAULT_ENV = $name
    $Env:CONDA_PROMPT_MODIFIER = "($name) "
    $folders = @(Join-Path $prefix 'bin')
    if ($separator -eq ';') {
        $below = 'Library\mingw-w64\bin', 'Library\usr\bin', 'Library\bin', 'Scripts', 'bin'
        $folders = @($prefix) + @($below | ForEach-Object { Join-Path $prefix $_ })
    }
    $Env:PATH = (@($folders) + @($Env:PATH) | Where-Object { $_ }) -join $separator

    # The environment's own variables.
    $listed = @()
    foreach ($line in @(& (Join-Path $here 'activation-vars.ps1') $prefix)) {
        $name, $value = $line -split '=', 2
        $listed += $name
        Set-Own "__CONDA_SHLVL_${level}_$name" (Get-Own $name)
        Set-Own $name $value
    }
    if ($listed) { Set-Own "CONDA_PACK_VARS_$inner" ($listed -join ' ') }

    # The packages' own hooks, in conda's order.
    $folder = Join-Path (Join-Path (Join-Path $prefix 'etc') 'conda') 'activate.d'
    if (Test-Path -LiteralPath $folder) {
        [string[]] $hooks = @(Get-ChildItem -LiteralPath $folder -Filter '*.ps1' | ForEach-Object { $_.FullName })
        [Array]::Sort($hooks, [StringComparer]::Ordinal)
        foreach ($hook in $hooks) { . $hook }
    }
} $PSScriptRoot

# The prompt is a function. Wrapped once, it shows the innermost environment; conda's own wrapper does too.
if (-not (Test-Path Function:\_conda_pack_prompt) -and -not (Test-Path Function:\CondaPromptBackup)) {
    Set-Item Function:\global:_conda_pack_prompt $Function:prompt
    function global:prompt { "$Env:CONDA_PROMPT_MODIFIER$(_conda_pack_prompt)" }
}
