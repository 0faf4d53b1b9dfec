"""The model card of the embedded model, written from its report. Thread: any."""

CARD = """---
license: mit
language: en
library_name: transformers
---
# The embedded model

A small Llama that writes simple English stories, trained by this project so that hiddenstage plays
with no download. {model[parameters]:,} parameters ({shape[num_hidden_layers]} blocks,
{shape[hidden_size]} wide, {shape[num_attention_heads]} query and {shape[num_key_value_heads]}
key-value heads, MLP {shape[intermediate_size]}), bf16, {megabytes:.1f} MB;
byte-fallback BPE tokenizer of {shape[vocab_size]:,} entries; weights `{model[weight_hash]}`.

It is an instrument, not an assistant: it knows nothing reliably, its English is that of 1850-1930
storybooks with what those books take for granted, and what it writes is there to be played.

## Figures ({date})

| what | figure |
| --- | --- |
{figures}

Held out are whole books ({held_out[sections]} sections, {held_out[bytes]:,} bytes): no section that
names their people was trained on. Each token but a book's first is predicted with at least 256
tokens before it; bits are divided by the bytes of the text. Sampling: temperature
{repetition[temperature]}, top-p {repetition[top_p]} of the 64 likeliest, repetition guard
{repetition[repetition_guard]}. The guard bars a run of eight tokens from coming back, so the first
repetition figure says that it holds, the second what the model does by itself.

Training: {training[minutes]:.0f} minutes on a two-core processor, {training[steps]:,} steps,
{training[tokens]:,} tokens, {training[passes]:.2f} passes. Muon for the matrices,
AdamW for the rest (`engine/model/train/recipe.py`); windows of 512 tokens. To train it again:
`hiddenstage train DATA OUT --minutes {training[minutes]:.0f}`.

## Three samples, unedited

{samples}

## Text it was trained on

- 192 public-domain books (USA) as plain texts of Project Gutenberg, from the GitHub repository
  `rcdm-uga/Gutenberg_Text`, commit a0b16d35a985; headers, footers and every mention of Project
  Gutenberg were removed. `books.tsv` lists them.
- 679 children's stories of African Storybook (africanstorybook.org) and Pratham Books StoryWeaver
  (storyweaver.org.in), from the GitHub repositories `global-asp/asp-source`, commit 99e022369a98,
  and `global-asp/pb-source`, commit 9ea530dfb001. They are licensed CC BY 3.0 or 4.0
  (creativecommons.org/licenses/by/3.0, creativecommons.org/licenses/by/4.0) as stated for each;
  one is in the public domain. `attributions.tsv` names every story with its writer, translator and
  licence. Changes: page marks, title and credit lines removed, punctuation made ASCII, duplicates
  and stories under 150 characters dropped. Neither writers nor publishers endorse this model.

The weights are released under the MIT licence of hiddenstage.
"""


def rows(report):
    """(what, number) of the figures that count."""
    held, controls, again = report["held_out"], report["controls"], report["repetition"]
    return [
        ("this model, held-out books", f"{held['bits_per_byte']:.3f} bits/byte"),
        *((f"  {title}", f"{bits:.3f} bits/byte") for title, bits in held["books"].items()),
        ("order-5 character model, same training text", f"{controls['order_5']:.3f} bits/byte"),
        ("xz -9 after the training text",
         f"{controls['xz_9_after_training_text']:.3f} bits/byte"),
        ("xz -9 (-9e) of the held-out text alone",
         f"{controls['xz_9']:.3f} ({controls['xz_9e']:.3f}) bits/byte"),
        (f"repeated {again['gram']}-grams in {again['tokens']:,} tokens",
         f"{again['repeated']:.2%} (guard off: {again['repeated_without_guard']:.2%})"),
    ]


def table(report):
    """The figures as plain lines."""
    width = max(len(what) for what, _ in rows(report))
    return "\n".join(f"{what:{width}}  {number}" for what, number in rows(report))


def quoted(text):
    """Text as a Markdown quotation, line by line, unedited."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def card(report, shape):
    """The model card, Markdown."""
    figures = "\n".join(f"| {what.strip()} | {number} |" for what, number in rows(report))
    samples = "\n\n".join(f"Seed {s['seed']}, prompt `{s['prompt']}`\n\n{quoted(s['text'])}"
                          for s in report["samples"])
    return CARD.format(**report | {"samples": samples}, shape=shape, figures=figures,
                       megabytes=report["model"]["bytes"] / 1e6)
