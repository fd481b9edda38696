"""Modules whose conda package the rule of ``naming`` names right; sources as in ``names``."""

from __future__ import annotations

#: Known to be there, in lower case. What the rule makes of other names is a guess.
SAME = frozenset(
    """
    aiobotocore aiofiles aiohttp aiosqlite airflow alembic altair anndata anyio apscheduler argcomplete arrow
    arviz asgiref astroid astropy asttokens asyncpg asyncssh attrs autograd av awkward azure.cosmos
    azure.eventhub azure.keyvault.keys azure.keyvault.secrets azure.servicebus azure.storage.blob babel
    backports.cached_property backports.functools_lru_cache backports.lzma backports.tarfile
    backports.tempfile backports.weakref backports.zstd bcrypt black bleach blinker bokeh boltons boto3
    botocore bottle bottleneck branca cachetools cartopy casadi catboost cdsapi celery certifi cffi cftime
    chardet charset_normalizer cherrypy click cloudpickle cmdstanpy colorama colorlog comm conda conda_build
    conda_package_handling conda_package_streaming configspace contextily contourpy coverage cryptography
    cssselect cupy cvxopt cvxpy cycler cython cytoolz dash dask datasets datashader deap debugpy decorator
    deepdiff defusedxml dill distributed django docopt docutils duckdb_engine ecdsa einops elasticsearch
    email_validator emcee entrypoints ephem et_xmlfile etils evaluate executing faiss faker falcon fastapi
    fastavro fastcluster fasteners fastparquet fasttext filelock fiona fire flake8 flask flask_cors
    flask_login flask_migrate flask_restful flask_sqlalchemy flask_wtf flax folium fonttools fsspec ftfy fugue
    future gcsfs gdal gensim geopandas geopy gevent gitdb gmpy2 google.cloud.aiplatform google.cloud.automl
    google.cloud.bigquery google.cloud.bigtable google.cloud.datastore google.cloud.firestore google.cloud.kms
    google.cloud.language google.cloud.logging google.cloud.monitoring google.cloud.pubsub
    google.cloud.spanner google.cloud.speech google.cloud.storage google.cloud.tasks google.cloud.texttospeech
    google.cloud.translate google.cloud.videointelligence google.cloud.vision google_auth_oauthlib gradio
    greenlet gspread gunicorn gymnasium h11 h2 h5netcdf h5py hdbscan healpy holoviews html5lib httplib2 httpx
    humanfriendly humanize hvplot hyperopt hypothesis icalendar idna imageio imagesize importlib_metadata
    inflect inflection iniconfig installer intake invoke ipykernel ipyleaflet ipyparallel ipython ipywidgets
    isal isodate isort itk itsdangerous jaraco.classes jaraco.collections jaraco.context jaraco.functools
    jaraco.stream jaraco.text jax jaxlib jedi jeepney jinja2 jinja2_time jmespath joblib jsonpatch jsonpath_ng
    jsonpickle jsonpointer jsonschema jupyter_cache jupyterlab jupytext kazoo kedro keras keyring kfp kivy
    kiwisolver lark lazy_object_proxy levenshtein librosa lightgbm lightning llvmlite lmfit locket lockfile
    loguru lxml lz4 mako mapclassify markdown markdown2 markupsafe marshmallow mdanalysis mdtraj mechanize
    missingno mistune mlflow mlxtend mne mock momepy more_itertools moto mpi4py mpld3 mplfinance mpmath msal
    msgspec multidict multipledispatch multiprocess munch mypy nbclient nbconvert nbformat nest_asyncio
    netaddr netcdf4 networkx nibabel nilearn nltk nodeenv nose notebook notebook_shim nox num2words numba
    numcodecs numexpr numpy numpy_financial numpydoc oauthlib onnx onnxruntime openai openbabel openmm
    openpyxl optuna orjson osmnx overrides packaging palettable pandas pandas_datareader pandera panel
    papermill param paramiko parso partd passlib pathlib2 pathspec patsy peewee pendulum pexpect pgmpy
    pickleshare pika pint pip pkginfo platformdirs plotly plotnine pluggy ply polars pooch portalocker
    pre_commit prettytable prompt_toolkit prophet prov psutil psycopg psycopg2 ptyprocess pulp py py_spy
    pyarrow pyasn1 pyaudio pybind11 pyclipper pycocotools pycodestyle pycosat pycparser pycurl pydantic
    pydantic_core pydantic_settings pydicom pydot pydub pyface pyfaidx pyfftw pyflakes pygame pygit2 pyglet
    pygments pygraphviz pyinstaller pykdtree pylint pymatgen pymc pymc3 pymongo pymoo pymssql pymupdf pymysql
    pynndescent pynput pyodbc pyomo pyparsing pypdf pypdf2 pyperclip pyproj pyqtgraph pyramid pyro4 pyro5
    pyrsistent pysal pysam pyscf pyside2 pyside6 pysnmp pyspark pystac pystan pytesseract pytest
    pytest_asyncio pytest_cov pytest_mock python_multipart pythran pytorch_lightning pytz pyvis pyvisa pyvista
    qrcode qtawesome qtconsole qtpy rasterio rasterstats rdkit readchar regex reportlab requests
    requests_cache requests_mock requests_oauthlib requests_toolbelt responses retrying rich rioxarray rope
    rpy2 rsa rtree ruff s3fs s3transfer salib sanic scanpy scapy scipy scrapy seaborn selectors2 selenium
    send2trash sentence_transformers sentencepiece sentry_sdk setuptools setuptools_scm sh shap shapely
    shellingham simpleitk simplejson simpy sip six slack_sdk smmap snakemake sniffio snowballstemmer
    sortedcontainers soupsieve spacy spectral_cube sphinx sphinxcontrib.apidoc sphinxcontrib.bibtex
    sphinxcontrib.httpdomain sphinxcontrib.programoutput sphinxcontrib.spelling sqlalchemy sqlalchemy_utils
    sqlglot sqlmodel sqlparse starlette statsmodels streamlit stripe structlog sunpy sympy tabulate tblib
    tenacity tensorboard tensorboardx tensorflow tensorflow_datasets tensorflow_hub tensorflow_probability
    termcolor testfixtures testpath textblob textdistance texttable textual tf_keras theano threadpoolctl
    tifffile tiktoken timm tinycss2 tokenizers toml tomli tomli_w tomlkit toolz torchaudio torchmetrics
    torchtext torchvision tornado tox tqdm traitlets traits transformers transforms3d treelib trimesh trio
    triton tweepy twine twisted typeguard typer tzlocal ujson uncertainties unidecode uproot uri_template
    urllib3 urwid uvicorn uvloop virtualenv vispy vtk waitress wand wandb watchdog watchfiles wcwidth
    webcolors webencodings websockets werkzeug wheel whitebox widgetsnbextension wordcloud wrapt wtforms
    xarray xesmf xgboost xlrd xlsxwriter xlwings xlwt xmltodict yapf yarl yt zarr zeep zict zipp zlib_ng
    zope.component zope.event zope.interface zope.schema zstandard
    """.split()  # noqa: SIM905  # a line for each would be five hundred
)
