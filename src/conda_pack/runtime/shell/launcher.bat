@rem Makes this environment exactly as if conda had installed it where it lies, by conda-unpack.pyz beside it.
@rem Isolated, without site-packages, and leaving no bytecode behind that no installer makes.
@rem
@rem Paths may hold what cmd.exe takes for its own: so each is in quotes, none is in the line of a call, which is
@rem read twice, and ! has no meaning here.
@setlocal EnableExtensions DisableDelayedExpansion
@call :here
@set "_conda_unpack_check=import sys; sys.exit(sys.version_info < (3, 6))"
@set "_conda_unpack_options=-ISB"
@set "_conda_unpack_python=%_conda_unpack_here%..\python.exe"
@call :check
@if defined _conda_unpack_found goto run
@call :find py.exe -3
@if defined _conda_unpack_found goto run
@call :find python.exe
@if defined _conda_unpack_found goto run
@call :find python3.exe
@if defined _conda_unpack_found goto run
@echo conda-unpack: error: there is no Python 3.6 or later in this environment or on PATH: install one and run conda-unpack again.>&2
@exit /b 13

@rem Called by its name in quotes alone, a script knows where it is only in a subroutine.
:here
@set "_conda_unpack_here=%~dp0"
@exit /b

@rem Programs on PATH alone: cmd.exe would take one from the current folder, or a script that never comes back.
:find
@set "_conda_unpack_options=%2 -ISB"
@for %%P in (%1) do @set "_conda_unpack_python=%%~$PATH:P"
@goto check

:check
@set "_conda_unpack_found="
@if not defined _conda_unpack_python exit /b
@if not exist "%_conda_unpack_python%" exit /b
@"%_conda_unpack_python%" %_conda_unpack_options% -c "%_conda_unpack_check%" >nul 2>&1
@if errorlevel 0 if not errorlevel 1 set "_conda_unpack_found=1"
@exit /b

@rem The last line, so that its exit code is this script's, however that was called.
:run
@"%_conda_unpack_python%" %_conda_unpack_options% "%_conda_unpack_here%conda-unpack.pyz" %*
