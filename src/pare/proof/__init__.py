"""Proof: paired, one-sided, finite-sample tests of quality against a reference. NumPy and the standard library only.

`exact` (accuracy, paired counts), `betting` (means of other bounded values, growing plans, units, strata), `binomial`
(one model against a fixed bar), `evidence` and `sequence` (from p-values to a verdict), `looks` (repeated use of the sealed
rows), `power` (what n labels can prove), `partial`, `labelling` and `reviewers` (labels only where two models differ). See
docs/proof.md.
"""
