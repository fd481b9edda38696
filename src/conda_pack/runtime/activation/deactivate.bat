@rem Leaves the environment that activate.bat activated last:
@rem   call path\to\env\Scripts\deactivate.bat
@rem
@rem What it gives back is described in bin/deactivate, and how it is written, in activate.bat.

@if not defined CONDA_PREFIX exit /b 0
@set /a "_conda_pack_level=CONDA_SHLVL+0"
@set /a "_conda_pack_outer=_conda_pack_level-1"
@call set "_conda_pack_active=%%CONDA_STACKED_%_conda_pack_level%%%"
@if /i "%_conda_pack_active%"=="%CONDA_PREFIX%" goto conda_pack_leave
@for %%N in (level outer active) do @set "_conda_pack_%%N="
@echo conda-pack: "%CONDA_PREFIX%" was not activated by its activate.bat; try: conda deactivate>&2
@exit /b 1

@rem 1. The packages' own hooks, last one first.
:conda_pack_leave
@set "_conda_pack_hooks="
@if not exist "%CONDA_PREFIX%\etc\conda\deactivate.d\*.bat" goto conda_pack_variables
@for /f "delims=" %%H in ('dir /b /a-d "%%CONDA_PREFIX%%\etc\conda\deactivate.d\*.bat"') do @call :conda_pack_before "%%H"
@for %%H in (%_conda_pack_hooks%) do @call :conda_pack_hook %%H

@rem 2. The environment's own variables.
:conda_pack_variables
@call set "_conda_pack_vars=%%CONDA_PACK_VARS_%_conda_pack_level%%%"
@for %%N in (%_conda_pack_vars%) do @call set "%%N=%%__CONDA_SHLVL_%_conda_pack_outer%_%%N%%"
@for %%N in (%_conda_pack_vars%) do @set "__CONDA_SHLVL_%_conda_pack_outer%_%%N="

@rem 3. The first mention of each of its folders on PATH is activate's. Where variables are expanded late, the
@rem    one that is not there is empty, and what is special then has to survive that.
@if not defined PATH goto conda_pack_prompt
@set "_conda_pack_early=!_conda_pack_none!"
@setlocal DisableDelayedExpansion
@set "_conda_pack_1=%CONDA_PREFIX%"
@set "_conda_pack_2=%CONDA_PREFIX%\Library\mingw-w64\bin"
@set "_conda_pack_3=%CONDA_PREFIX%\Library\usr\bin"
@set "_conda_pack_4=%CONDA_PREFIX%\Library\bin"
@set "_conda_pack_5=%CONDA_PREFIX%\Scripts"
@set "_conda_pack_6=%CONDA_PREFIX%\bin"
@set "_conda_pack_path="
@set "_conda_pack_rest=%PATH:"=%"
:conda_pack_next
@set "_conda_pack_folder="
@for /f "delims=;" %%A in ("%_conda_pack_rest%") do @set "_conda_pack_folder=%%A"
@for /f "tokens=1* delims=;" %%A in ("%_conda_pack_rest%") do @set "_conda_pack_rest=%%B"
@if not defined _conda_pack_folder goto conda_pack_path
@if /i "%_conda_pack_folder%"=="%_conda_pack_1%" (set "_conda_pack_1=" & goto conda_pack_next)
@if /i "%_conda_pack_folder%"=="%_conda_pack_2%" (set "_conda_pack_2=" & goto conda_pack_next)
@if /i "%_conda_pack_folder%"=="%_conda_pack_3%" (set "_conda_pack_3=" & goto conda_pack_next)
@if /i "%_conda_pack_folder%"=="%_conda_pack_4%" (set "_conda_pack_4=" & goto conda_pack_next)
@if /i "%_conda_pack_folder%"=="%_conda_pack_5%" (set "_conda_pack_5=" & goto conda_pack_next)
@if /i "%_conda_pack_folder%"=="%_conda_pack_6%" (set "_conda_pack_6=" & goto conda_pack_next)
@set "_conda_pack_path=%_conda_pack_path%;%_conda_pack_folder%"
@goto conda_pack_next
:conda_pack_path
@if not defined _conda_pack_path (endlocal & set "PATH=" & goto conda_pack_prompt)
@set "_conda_pack_path=%_conda_pack_path:~1%"
@if defined _conda_pack_early (endlocal & set "PATH=%_conda_pack_path%" & goto conda_pack_prompt)
@set "_conda_pack_path=%_conda_pack_path:^=^^%"
@set "_conda_pack_path=%_conda_pack_path:!=^!%"
@endlocal & set "PATH=%_conda_pack_path%" !

@rem 4. The prompt, if it still begins with what activate gave it.
:conda_pack_prompt
@if not defined PROMPT goto conda_pack_kept
@if not defined CONDA_PROMPT_MODIFIER goto conda_pack_kept
@call set "_conda_pack_prompt=%%PROMPT:*%CONDA_PROMPT_MODIFIER%=%%"
@if "%PROMPT%"=="%CONDA_PROMPT_MODIFIER%%_conda_pack_prompt%" call set "PROMPT=%%_conda_pack_prompt%%"

@rem 5. What activate kept: what was unset is unset again.
:conda_pack_kept
@set "CONDA_STACKED_%_conda_pack_level%="
@set "CONDA_PACK_VARS_%_conda_pack_level%="
@for %%N in (CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER CONDA_SHLVL) do @call set "%%N=%%%%N_%_conda_pack_outer%%%"
@for %%N in (CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER CONDA_SHLVL) do @set "%%N_%_conda_pack_outer%="
@for %%N in (level outer active hooks vars early prompt) do @set "_conda_pack_%%N="
@exit /b 0

:conda_pack_before
@set "_conda_pack_hooks="%~1" %_conda_pack_hooks%"
@exit /b 0

:conda_pack_hook
@call "%%CONDA_PREFIX%%\etc\conda\deactivate.d\%~1"
@exit /b 0
