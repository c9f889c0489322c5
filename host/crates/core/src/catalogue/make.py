#!/usr/bin/env python3
"""Makes models.tsv, the built-in catalogue, from a file of model facts (JSON lines).

    python3 make.py model_facts.jsonl           writes models.tsv beside this script
    python3 make.py model_facts.jsonl --check   fails if models.tsv is not what it would write

Prices are never a float: they are read and written as decimals, and one with more than six decimals of a dollar for a
million tokens (which has no whole number of pico-dollars a token) stops the script. Python 3.11, nothing to install.

What is left out, and why:
- vendors that this gateway cannot call, and old completion models;
- ids with a `/` of azure and bedrock, `together-ai-…`, `*…`: the source's own notation for a region, a price class or
  reserved throughput, which no API takes as a model's name;
- a price of nothing for tokens that are sold (0 where something is billed otherwise, or was free for a while): a budget
  must not take such a model for free, so its price is not known;
- what then has no figure left.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path

VENDORS = {
    "anthropic": "anthropic", "azure": "azure", "bedrock": "bedrock", "bedrock_converse": "bedrock",
    "cerebras": "cerebras", "cohere": "cohere", "cohere_chat": "cohere", "dashscope": "dashscope",
    "deepseek": "deepseek", "fireworks_ai": "fireworks", "gemini": "gemini", "groq": "groq", "mistral": "mistral",
    "moonshot": "moonshot", "openai": "openai", "perplexity": "perplexity", "together_ai": "together", "xai": "xai",
}
MODES = {"chat": "c", "embedding": "e", "responses": "r"}
ABILITIES = [
    ("supports_function_calling", "t"), ("supports_vision", "v"), ("supports_response_schema", "s"),
    ("supports_reasoning", "r"), ("supports_prompt_caching", "p"),
]
HEADER = "# Made by make.py, not by hand. vendor, id, mode, USD for a million tokens: input, output, cached input, " \
    "cache write; context, max output, abilities. No mark: not known."


def usd(fact, name):
    """A price as the shortest decimal text, "" where it is not known."""
    value = fact.get(f"{name}_usd_per_mtok")
    if value is None:
        return ""
    value = Decimal(value)
    exponent = value.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > 6 or not 0 <= value <= 1_000_000:
        sys.exit(f"{fact['provider']}/{fact['model']}: {name} is {value}, which is no exact price")
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def prices(fact):
    """Input, output, cached input and cache write: all not known unless what is sold costs something."""
    all_four = [usd(fact, name) for name in ("input", "output", "cached_input", "cache_write")]
    sold = 2
    if fact["mode"] == "embedding":
        # There are no tokens of an answer.
        sold, all_four[1] = 1, "0"
    if any(price in ("", "0") for price in all_four[:sold]):
        return ["", "", "", ""]
    # 0 for the cache says that there is no price of its own, not that its tokens are free.
    return all_four[:2] + ["" if price == "0" else price for price in all_four[2:]]


def is_id(vendor, model):
    """Whether an API takes this as the name of a model."""
    if vendor in ("azure", "bedrock") and "/" in model:
        return False
    return not model.startswith(("together-ai-", "*"))


def lines(facts):
    """The catalogue's lines, in the order of their bytes."""
    made = {}
    for fact in facts:
        vendor, model, mode = VENDORS.get(fact["provider"]), fact["model"], MODES.get(fact["mode"])
        if vendor is None or mode is None or not is_id(vendor, model):
            continue
        if not model.isascii() or any(c <= " " for c in model):
            sys.exit(f"{vendor}: {model!r} cannot stand in the catalogue")
        figures = prices(fact) + [str(fact.get(name) or "") for name in ("context_tokens", "max_output_tokens")]
        abilities = "".join(letter for name, letter in ABILITIES if fact.get(name))
        if not any(figures) and not abilities:
            continue
        if fact["provider"] in made.get((vendor, model), {}):
            sys.exit(f"{vendor}/{model} is there twice")
        line = "\t".join([vendor, model, mode, *figures, abilities]).rstrip("\t")
        made.setdefault((vendor, model), {})[fact["provider"]] = line
    # Where two of the source's sections have a model of one vendor (bedrock's two APIs), the later name's counts.
    return sorted((by_source[max(by_source)] for by_source in made.values()), key=str.encode)


def main():
    """Reads the facts, writes or checks the catalogue."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    with open(arguments[0], encoding="utf-8") as file:
        facts = [json.loads(line, parse_float=Decimal) for line in file if line.strip()]
    text = "\n".join([HEADER, *lines(facts)]) + "\n"
    target = Path(__file__).with_name("models.tsv")
    if "--check" in sys.argv:
        if target.read_text(encoding="utf-8") != text:
            sys.exit(f"{target} is not what these facts make")
        print(f"{target} is current")
        return
    target.write_text(text, encoding="utf-8")
    print(f"{target}: {text.count(chr(10)) - 1} models, {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
