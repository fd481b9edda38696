"""The version: in a module of its own, because what ships in an archive must know it too."""

VERSION = "1.0.0.dev0"
