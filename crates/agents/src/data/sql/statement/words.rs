//! The words of queries: what may be called, and what may not be named.

/// The functions that a query may call: of what it is given, they make something of a size that is like it.
pub(super) const FUNCTIONS: &str = "\
    any_value array_agg avg bool_and bool_or corr count covar_pop covar_samp every json_agg json_object_agg \
    jsonb_agg jsonb_object_agg max min mode percentile_cont percentile_disc regr_intercept regr_r2 regr_slope \
    stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance cume_dist dense_rank first_value lag \
    last_value lead nth_value ntile percent_rank rank row_number abs acos asin atan atan2 cbrt ceil ceiling cos \
    degrees div exp floor gcd lcm ln log log10 mod pi power radians round sign sin sqrt tan trunc width_bucket \
    coalesce greatest least nullif ascii btrim char_length character_length chr concat concat_ws ends_with \
    initcap left length lower ltrim md5 octet_length position regexp_count regexp_like regexp_match \
    regexp_replace regexp_substr replace reverse right rtrim split_part starts_with string_to_array strpos \
    substr substring to_char to_number translate trim upper age date_bin date_part date_trunc extract \
    justify_days justify_hours justify_interval make_date make_interval make_timestamp to_date to_timestamp \
    array_length array_position array_to_string cardinality generate_series json_array_elements \
    json_array_length json_build_array json_build_object json_typeof jsonb_array_elements \
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text \
    jsonb_extract_path jsonb_extract_path_text jsonb_object_keys jsonb_typeof to_json to_jsonb unnest";

/// Keywords behind which a bracket opens something else than a call.
const KEYWORDS: &str = "\
    all and any array as asc between by case cast cross cube desc distinct else except exists fetch filter first \
    from full group grouping having ilike in inner intersect is join lateral left like limit materialized \
    natural next not null nulls offset on or order ordinality outer over partition right rollup row select sets \
    similar some then union using values when where window";

/// Types that take a length or a precision.
const TYPES: &str = "\
    char character decimal float interval numeric time timestamp varchar";

/// Keywords of statements that are none of a query, or that read what is around it.
const REFUSED: &str = "\
    alter analyze call checkpoint cluster commit copy create current_catalog current_role current_schema \
    current_user delete discard do drop execute grant insert into listen lock merge notify operator prepare \
    reset revoke rollback session_user system_user truncate update vacuum";

/// Names of what belongs to the database itself.
const INTERNAL: &str = "\
    information_schema regclass regcollation regconfig regdictionary regnamespace regoper regoperator regproc \
    regprocedure regrole regtype";
const INTERNAL_PREFIXES: &str = "\
    pg_ lo_ dblink turbocat_ _turbocat";

/// Whether a query may begin with the word.
pub(super) fn begins_query(word: &str) -> bool {
    ["select", "with", "values"].iter().any(|first| word.eq_ignore_ascii_case(first))
}

/// Whether a bracket may follow the word.
pub(super) fn may_stand_before_bracket(word: &str) -> bool {
    [FUNCTIONS, KEYWORDS, TYPES].iter().any(|known| has(known, &word.to_ascii_lowercase()))
}

/// What is wrong with a word, wherever it stands.
pub(super) fn refused(word: &str) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    if has(REFUSED, &lower) || lower == "user" {
        return Some(format!(
            "says `{word}`, which a query of an agent cannot; a column of that name stands in quotes"
        ));
    }
    is_internal(word).then(|| format!("names `{word}`, which is not for agents"))
}

/// Whether a name belongs to the database itself.
pub(super) fn is_internal(name: &str) -> bool {
    let name = name.to_lowercase();
    has(INTERNAL, &name) || INTERNAL_PREFIXES.split(' ').any(|prefix| name.starts_with(prefix))
}

/// Whether a character can stand in an operator.
pub(super) const fn is_operator(c: char) -> bool {
    matches!(c, '+' | '-' | '*' | '/' | '<' | '>' | '=' | '~' | '!' | '@' | '#' | '%' | '^' | '&' | '|' | '?')
}

fn has(words: &str, word: &str) -> bool {
    words.split(' ').any(|known| known == word)
}
