"""The version, in one place: the build, the User-Agent and the manifests read it from here."""

__version__ = "0.2.0"
