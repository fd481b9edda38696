# The environment's own variables as texts NAME=value, for activate.ps1:
#   activation-vars.ps1 C:\path\to\env
# With -ForCmd they are lines for activate.bat, which has only to set them: with what each variable was, and the list
# of them all, for deactivate.bat.
#
# The packages' in etc\conda\env_vars.d, and before them the user's in conda-meta\state (see bin/activation-vars).
param([string] $Prefix, [switch] $ForCmd)

$variables = [ordered] @{}
$packages = Join-Path (Join-Path (Join-Path $Prefix 'etc') 'conda') 'env_vars.d'
$state = Join-Path (Join-Path $Prefix 'conda-meta') 'state'
$objects = @()
if (Test-Path -LiteralPath $packages) {
    [string[]] $paths = @(Get-ChildItem -LiteralPath $packages -Filter '*.json' | ForEach-Object { $_.FullName })
    [Array]::Sort($paths, [StringComparer]::Ordinal)
    $objects += @($paths | ForEach-Object { [IO.File]::ReadAllText($_) | ConvertFrom-Json })
}
if (Test-Path -LiteralPath $state) {
    $objects += @(([IO.File]::ReadAllText($state) | ConvertFrom-Json).env_vars)
}
foreach ($object in $objects) {
    if ($null -eq $object) { continue }
    foreach ($property in $object.PSObject.Properties) {
        $value = $property.Value
        if ($value -is [bool]) { $value = "$value".ToLowerInvariant() } # as JSON has it
        # PowerShell 7 takes texts that look like times for times
        if ($value -is [datetime]) { $value = $value.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK") }
        $variables[$property.Name.ToUpperInvariant()] = $value
    }
}
$names = @($variables.Keys | Where-Object {
    $value = $variables[$_]
    $_ -match '^[A-Z_][A-Z0-9_]*$' -and "$value" -ne '***unset***' -and
        -not ($value -is [array] -or $value -is [Management.Automation.PSCustomObject])
})
if (-not $ForCmd) { return $names | ForEach-Object { "$_=$($variables[$_])" } }

$level = [int] $Env:CONDA_SHLVL
$fit = @($names | Where-Object { "$($variables[$_])" -notmatch '[\r\n]' })
foreach ($name in $names) {
    if ($fit -notcontains $name) {
        [Console]::Error.WriteLine("conda-pack: $name has several lines, which cmd.exe cannot set")
    }
}
foreach ($name in $fit) {
    $before = [Environment]::GetEnvironmentVariable($name)
    if ($before) { "__CONDA_SHLVL_$($level - 1)_$name=$before" }
    "$name=$($variables[$name])"
}
if ($fit) { "CONDA_PACK_VARS_$level=$fit" }
