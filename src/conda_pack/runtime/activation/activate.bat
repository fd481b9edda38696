@rem Activates this environment in cmd.exe:  call path\to\env\Scripts\activate.bat
@rem Undone by:                              call path\to\env\Scripts\deactivate.bat
@rem
@rem What is set, and what is kept for later, is described in bin/activate: Windows has no sh.
@rem
@rem Paths may hold what cmd.exe takes for its own. So each is in quotes, and a line with call, which is read twice,
@rem has only names, to be replaced the second time. Quotes in PATH are dropped: no program needs them there, and a
@rem line would break at them.

@for %%I in ("%~dp0..") do @set "_conda_pack_prefix=%%~fI"
@if exist "%_conda_pack_prefix%\Scripts\activate.bat" goto conda_pack_found
@set "_conda_pack_prefix="
@echo conda-pack: activate.bat cannot tell where it lies. Call it by its path; if that has an exclamation mark, say this before: setlocal DisableDelayedExpansion>&2
@exit /b 1

@rem Already active? Then leave first.
:conda_pack_found
@set /a "_conda_pack_level=CONDA_SHLVL+0"
@call set "_conda_pack_active=%%CONDA_STACKED_%_conda_pack_level%%%"
@if /i not "%CONDA_PREFIX%"=="%_conda_pack_prefix%" goto conda_pack_keep
@if /i not "%_conda_pack_active%"=="%_conda_pack_prefix%" goto conda_pack_keep
@call :conda_pack_leave
@set /a "_conda_pack_level=CONDA_SHLVL+0"

@rem Keep what is there now. What is unset is kept unset.
:conda_pack_keep
@set "CONDA_PREFIX_%_conda_pack_level%=%CONDA_PREFIX%"
@set "CONDA_DEFAULT_ENV_%_conda_pack_level%=%CONDA_DEFAULT_ENV%"
@set "CONDA_PROMPT_MODIFIER_%_conda_pack_level%=%CONDA_PROMPT_MODIFIER%"
@set "CONDA_SHLVL_%_conda_pack_level%=%CONDA_SHLVL%"

@rem Activate.
@set /a "CONDA_SHLVL=_conda_pack_level+1"
@set "CONDA_STACKED_%CONDA_SHLVL%=%_conda_pack_prefix%"
@set "CONDA_PREFIX=%_conda_pack_prefix%"
@for %%I in ("%_conda_pack_prefix%") do @set "CONDA_DEFAULT_ENV=%%~nxI"
@set "_conda_pack_lead=%CONDA_PREFIX%;%CONDA_PREFIX%\Library\mingw-w64\bin;%CONDA_PREFIX%\Library\usr\bin"
@set "_conda_pack_lead=%_conda_pack_lead%;%CONDA_PREFIX%\Library\bin;%CONDA_PREFIX%\Scripts;%CONDA_PREFIX%\bin"
@if not defined PATH (set "PATH=%_conda_pack_lead%" & goto conda_pack_prompt)
@rem Where variables are expanded late, this one is empty, and only so PATH is what it is.
@if "!_conda_pack_none!"=="" (set "PATH=%_conda_pack_lead%;!PATH!" & goto conda_pack_prompt)
@set "PATH=%_conda_pack_lead%;%PATH:"=%"

@rem The prompt does not show a name with what cmd.exe replaces in prompts, or when it replaces text.
:conda_pack_prompt
@set "CONDA_PROMPT_MODIFIER="
@for /f "delims=$=%%^!" %%I in ("(%CONDA_DEFAULT_ENV%)") do @if "%%I"=="(%CONDA_DEFAULT_ENV%)" set "CONDA_PROMPT_MODIFIER=%%I "
@if defined PROMPT set "PROMPT=%CONDA_PROMPT_MODIFIER%%PROMPT%"

@rem The environment's own variables: JSON, which cmd.exe cannot read, and PowerShell can.
@if exist "%CONDA_PREFIX%\conda-meta\state" goto conda_pack_variables
@if not exist "%CONDA_PREFIX%\etc\conda\env_vars.d" goto conda_pack_hooks
:conda_pack_variables
@for /f "usebackq tokens=1* delims==" %%N in (`%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -Command "& ($Env:CONDA_PREFIX + '\Scripts\activation-vars.ps1') $Env:CONDA_PREFIX -ForCmd" ^<nul`) do @set "%%N=%%O"

@rem The packages' own hooks, in the order in which Windows' disks tell names. It is conda's, where '~last.bat' is last.
:conda_pack_hooks
@if not exist "%CONDA_PREFIX%\etc\conda\activate.d\*.bat" goto conda_pack_end
@for /f "delims=" %%H in ('dir /b /a-d "%%CONDA_PREFIX%%\etc\conda\activate.d\*.bat"') do @call :conda_pack_hook "%%H"

@rem What it could not do has been said: the environment is active.
:conda_pack_end
@for %%N in (prefix level active lead) do @set "_conda_pack_%%N="
@exit /b 0

:conda_pack_leave
@call "%%_conda_pack_prefix%%\Scripts\deactivate.bat"
@exit /b 0

:conda_pack_hook
@call "%%CONDA_PREFIX%%\etc\conda\activate.d\%~1"
@exit /b 0
