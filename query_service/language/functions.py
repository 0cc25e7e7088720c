"""Which functions a query may call: those that compute from their arguments, and nothing that reads elsewhere."""

from __future__ import annotations

from sqlglot import exp

TABLE_FUNCTIONS: tuple[type[exp.Expr], ...] = (exp.Unnest, exp.GenerateSeries, exp.ExplodingGenerateSeries)
"""Functions that may stand where a table stands."""

REFUSED: tuple[type[exp.Expr], ...] = (
    # sqlglot has classes for these; they reach files, secrets, sequences or other models.
    *(exp.ReadCSV, exp.ReadParquet, exp.ToFile, exp.NextValueFor, exp.OpenJSON, exp.XMLTable, exp.JSONTable),
    *(exp.Predict, exp.GenerateEmbedding, exp.FeaturesAtTime, exp.VectorSearch, exp.MLForecast),
)
"""Functions that sqlglot knows and that a query must not call."""

_AGGREGATE_NAMES = """
    arbitrary arg_max_null arg_min_null bitstring_agg entropy every favg fsum geomean geometric_mean histogram
    kahan_sum kurtosis_pop listagg mad mean product quantile_cont quantile_disc reservoir_quantile sem string_agg
    sumkahan wavg weighted_avg
"""

AGGREGATES: frozenset[str] = frozenset(_AGGREGATE_NAMES.split())
"""Functions that make one value of many rows, of those that sqlglot has no class for."""

# Functions that sqlglot has no class for, by subject. A function that is in neither place is refused by name.
_NAMES = (
    # Numbers.
    """
    add divide multiply subtract bin binom bit_count bit_position even fdiv fmod gamma gcd greatest_common_divisor
    isfinite lcm least_common_multiple lgamma nextafter round_even roundbankers set_bit signbit to_base unbin
    from_binary from_hex hash md5_number erf erfc cbrt scale trim_scale factorial random setseed
    """
    # Texts.
    """
    base64 bar damerau_levenshtein editdist3 format format_bytes hamming jaccard jaro_similarity
    jaro_winkler_similarity left_grapheme right_grapheme length_grapheme substring_grapheme like_escape
    ilike_escape not_like_escape not_ilike_escape mismatches nfc_normalize octet_length ord overlay parse_dirname
    parse_dirpath parse_filename parse_path path_join position prefix suffix printf quote_literal quote_ident
    quote_nullable regexp_escape regexp_matches regexp_match regexp_split_to_array reverse strlen strip_accents
    str_split str_split_regex string_split string_split_regex string_to_array translate url_decode url_encode
    to_hex
    """
    # Dates and times.
    """
    age ago century date_part datepart datesub datetrunc days_in_month decade epoch epoch_ms epoch_ns epoch_us era
    isoyear julian clock_timestamp statement_timestamp transaction_timestamp timeofday make_date make_time
    make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium millisecond
    nanosecond strftime strptime try_strptime time_bucket timezone timezone_hour timezone_minute to_centuries
    to_decades to_hours to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds
    to_weeks to_years today weekday yearweek isodow
    """
    # Arrays, lists, structures and maps.
    """
    array_aggr array_aggregate array_apply array_cosine_distance array_cosine_similarity array_cross_product
    array_distance array_dims array_dot_product array_extract array_fill array_grade_up array_has_any
    array_indexof array_inner_product array_lower array_ndims array_negative_dot_product
    array_negative_inner_product array_pop_back array_pop_front array_positions array_push_back array_push_front
    array_reduce array_replace array_resize array_reverse_sort array_select array_to_json array_transform
    array_unique array_upper array_value array_where array_zip cardinality element_at generate_subscripts grade_up
    list_aggr list_aggregate list_any_value list_append list_apply list_approx_count_distinct list_avg
    list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or list_cat list_concat list_contains
    list_cosine_distance list_cosine_similarity list_count list_distance list_distinct list_dot_product
    list_element list_entropy list_extract list_filter list_first list_grade_up list_has list_has_all list_has_any
    list_histogram list_indexof list_inner_product list_intersect list_last list_max list_median list_min
    list_mode list_pack list_position list_prepend list_product list_reduce list_resize list_reverse
    list_reverse_sort list_select list_slice list_sort list_stddev_pop list_stddev_samp list_string_agg list_sum
    list_transform list_unique list_value list_var_pop list_var_samp list_where list_zip map_concat map_contains
    map_entries map_extract map_extract_value map_values range row row_to_json struct_concat struct_contains
    struct_extract_at struct_has struct_indexof struct_insert struct_keys struct_pack struct_position
    struct_update struct_values unpivot_list
    """
    # JSON.
    """
    json json_agg json_array json_array_elements json_array_length json_build_array json_build_object
    json_contains json_exists json_extract_string json_group_array json_group_object json_insert json_merge_patch
    json_object json_object_keys json_pretty json_quote json_replace json_strip_nulls json_structure
    json_transform json_transform_strict json_typeof json_valid json_value jsonb_agg jsonb_array_elements
    jsonb_array_length jsonb_build_array jsonb_build_object jsonb_object_keys jsonb_pretty jsonb_set
    jsonb_strip_nulls jsonb_typeof to_json to_jsonb from_json_strict
    """
    # Types, conditions and identifiers.
    """
    can_cast_implicitly enum_code enum_first enum_last enum_range error pg_typeof num_nulls num_nonnulls switch
    gen_random_uuid uuidv4 uuidv7 uuid_extract_timestamp uuid_extract_version nullif
    """
)

ALLOWED: frozenset[str] = AGGREGATES | frozenset(_NAMES.split())
"""Functions that a query may call, by name."""

COMMON: tuple[str, ...] = tuple(
    name
    for line in (
        "abs array_agg avg bool_and bool_or ceil coalesce concat count date_trunc dense_rank extract first_value floor",
        "greatest initcap lag last_value lead least left length levenshtein lower max md5 median min mode now nullif",
        "position rank regexp_replace replace right round row_number split_part sqrt stddev substring sum to_char",
        "to_date to_timestamp trim upper variance",
    )
    for name in line.split()
)
"""Functions that a mistyped name may have meant."""
