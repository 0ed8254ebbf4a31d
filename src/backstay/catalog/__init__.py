"""What exists, as the API names it."""

from backstay.catalog.build import build_catalog, constraint_name, metadata_of
from backstay.catalog.computed import Computed
from backstay.catalog.family import Family, family_of, integer_bound, plain_type
from backstay.catalog.function import Function, Parameter, function
from backstay.catalog.search import SEARCHABLE, Search, Searchable
from backstay.catalog.table import Catalog, Column, Junction, Relation, Table

__all__ = [
    "SEARCHABLE",
    "Catalog",
    "Column",
    "Computed",
    "Family",
    "Function",
    "Junction",
    "Parameter",
    "Relation",
    "Search",
    "Searchable",
    "Table",
    "build_catalog",
    "constraint_name",
    "family_of",
    "function",
    "integer_bound",
    "metadata_of",
    "plain_type",
]
