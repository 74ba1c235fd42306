"""XLM-R (Conneau et al. 2019): RoBERTa over a SentencePiece vocabulary of 100 languages."""

from dataclasses import replace

from pare.families.roberta import ROBERTA

XLM_ROBERTA = replace(ROBERTA, name="xlm-roberta")
