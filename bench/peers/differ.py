"""The difference of two snapshots with DuckDB or pandas: differ.py duckdb|pandas OLD.csv NEW.csv OUT.csv"""
import sys

tool, old, new, out = sys.argv[1:]
if tool == "version":
    import duckdb, pandas
    print(f"duckdb {duckdb.__version__}, pandas {pandas.__version__}")
elif tool == "duckdb":
    import duckdb
    duckdb.sql(f"""
        COPY (SELECT o.*, n.* FROM read_csv('{old}', all_varchar=true) AS o
              FULL JOIN read_csv('{new}', all_varchar=true) AS n USING (path)
              WHERE o.path IS NULL OR n.path IS NULL OR o.etag IS DISTINCT FROM n.etag OR o.size IS DISTINCT FROM n.size
                 OR o.permissions IS DISTINCT FROM n.permissions OR o.file_id IS DISTINCT FROM n.file_id)
        TO '{out}' (HEADER)""")
else:
    import pandas
    a, b = (pandas.read_csv(path, dtype=str, keep_default_na=False) for path in (old, new))
    both = a.merge(b, on="path", how="outer", suffixes=("_old", "_new"), indicator=True)
    changed = both["_merge"] != "both"
    for column in ("etag", "size", "permissions", "file_id"):
        changed |= both[f"{column}_old"] != both[f"{column}_new"]
    both[changed].to_csv(out, index=False)
