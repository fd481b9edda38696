"""Which package brings which import."""

from __future__ import annotations

import re

import pytest

from conda_pack.sources.imports.known_names import SAME
from conda_pack.sources.imports.names import NAMESPACES, PACKAGES
from conda_pack.sources.imports.naming import Named, name_package
from conda_pack.sources.imports.standard import is_standard


@pytest.mark.parametrize(
    ("module", "name", "package"),
    [
        ("sklearn.svm", "SVC", "scikit-learn"),
        ("yaml", None, "pyyaml"),
        ("cv2", None, "opencv"),
        ("PIL", "Image", "pillow"),
        ("attr", None, "attrs"),
        ("attrs", None, "attrs"),
        ("IPython.display", "display", "ipython"),
        ("google.cloud", "storage", "google-cloud-storage"),
        ("google.cloud.storage.blob", None, "google-cloud-storage"),
        ("google", "protobuf", "protobuf"),
        ("google.protobuf.message", "Message", "protobuf"),
        ("google.auth.transport", "requests", "google-auth"),
        ("ruamel.yaml", "YAML", "ruamel.yaml"),
        ("ruamel", "yaml", "ruamel.yaml"),
        ("zope.interface", "implementer", "zope.interface"),
        ("azure.storage.blob", "BlobClient", "azure-storage-blob"),
        ("mpl_toolkits.mplot3d", None, "matplotlib-base"),
        ("mpl_toolkits.basemap", "Basemap", "basemap"),
        ("typing_extensions", "Self", "typing_extensions"),
        ("more_itertools", None, "more-itertools"),
        ("win32com.client", None, "pywin32"),
        ("pkg_resources", None, "setuptools"),
        ("ray.tune", None, "ray-tune"),
        ("ray", "init", "ray-core"),
        ("opentelemetry", "trace", "opentelemetry-api"),
    ],
)
def test_known(module: str, name: str | None, package: str) -> None:
    assert Named(package, is_known=True) == name_package(module, name, {})


@pytest.mark.parametrize(
    ("module", "name", "package"),
    [
        ("my_models.a", None, "my-models"),
        ("MyModels", "x", "mymodels"),
        ("_private", None, "private"),
        ("google", None, "google"),
        ("google.cloud.brand_new", None, "google-cloud-brand-new"),
        ("zope", "brand_new", "zope.brand-new"),
        ("überflüssig", None, None),
    ],
)
def test_as_they_are(module: str, name: str | None, package: str | None) -> None:
    assert Named(package, is_known=False) == name_package(module, name, {})


def test_overrides() -> None:
    """The user's word, by the longest name, comes before all tables."""
    overrides = {"yaml": "my-yaml", "google.cloud": "gc", "google.cloud.storage": "gcs =1", "own": ""}
    assert [
        Named("my-yaml", True),
        Named("gcs =1", True),
        Named("gc", True),
        Named("protobuf", True),
        None,
    ] == [
        name_package(module, name, overrides)
        for module, name in (
            ("yaml.reader", None),
            ("google.cloud", "storage"),
            ("google.cloud", "vision"),
            ("google.protobuf", None),
            ("own.models", "x"),
        )
    ]


def test_the_tables_are_in_order() -> None:
    """Each entry says something, once, and of what could be a package; none hides the standard library."""
    names = re.compile(r"[a-z0-9][a-z0-9._-]*")
    packages = [*PACKAGES.values(), *(pattern.replace("{}", "x") for pattern in NAMESPACES.values())]
    assert [package for package in packages if not names.fullmatch(package)] == []
    by_rule = [
        name
        for name, package in PACKAGES.items()
        if "." not in name and package == name.strip("_").lower().replace("_", "-")
    ]
    assert by_rule == []
    assert set() == SAME & PACKAGES.keys() - {name for name in PACKAGES if "." in name}
    assert [name for name in SAME if name != name.lower()] == []
    assert [name for name in (*PACKAGES, *SAME, *NAMESPACES) if is_standard(name)] == []
    assert len(PACKAGES) > 200
