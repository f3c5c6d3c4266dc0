# formatting and lints
check:
    cargo fmt --check && cargo clippy --locked --all-targets -- -D warnings

# all tests
test:
    scripts/setup --tests && cargo test --locked

# regenerate what is generated (completions, snapshots of the help)
regen:
    REGENERATE=1 cargo test --locked --test generated

# start-up and status beside kubectl, on the practice cluster
bench:
    benches/compare

# licences and advisories of the dependencies
deny:
    cargo deny check

# the released binary
release:
    cargo build --locked --release
