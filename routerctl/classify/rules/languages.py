"""A text -> its language, told by CLD2, Chromium's compact language detector, through `pycld2`.

The only file that may import pycld2 (the extra `language`), which happens when the first rule with a language is tried.
Chosen by measuring, on 36 prompts of one line in 28 languages and 7 that are none: CLD2 starts in 8 ms, takes 0.06 ms a
prompt and 17 MB of memory; it names a wrong language for two of the 36 (Danish is taken for Norwegian), none for two,
and one for one of the 7 (SQL is English to it). lingua with its small models takes 0.5 ms, 440 ms to start, and is
wrong of five; with its large ones 16 s and 1.1 GB. eldc is as good and quicker still, but five times as large, knows 60
languages (no Indonesian, no Swahili) and is young C code for hostile text; py3langid needs numpy.
"""

from __future__ import annotations

import re

from routerctl.errors import InputError

# The ISO 639-1 codes of the languages that CLD2 tells apart; Bokmål and Nynorsk are both `no`.
LANGUAGES = frozenset(
    """
    aa ab af ak am ar as ay az ba be bg bh bi bn bo br bs ca co cs cy da de dv dz el en eo es et eu fa fi fj fo fr
    fy ga gd gl gn gu gv ha he hi hr ht hu hy ia id ie ig ik is it iu ja jv ka kk kl km kn ko ks ku ky la lb lg ln
    lo lt lv mg mi mk ml mn mr ms mt my na ne nl no nr ny oc om or pa pl ps pt qu rm rn ro ru rw sa sd sg si sk sl
    sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt ug uk ur uz ve vi vo wo xh yi yo za zh zu
    """.split()  # noqa: SIM905 - 147 quoted codes would be a page
)
_READ = 20_000  # characters from the start: enough to tell, and at most some milliseconds
_RENAMED = {"iw": "he", "jw": "jv", "nn": "no"}  # CLD2 -> ISO 639-1 as it is today
# Control characters, halves of surrogate pairs and noncharacters, which CLD2 refuses.
_REFUSED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF))
    + "]"
)


def language_of(text: str) -> str | None:
    """Give the language of most of a text as ISO 639-1 code; None where it is too short to tell.

    Raises: InputError where the extra `language` is not installed.
    """
    try:
        import pycld2
    except ImportError:
        raise InputError("a rule asks for the prompt's language: pip install 'routerctl[language]'") from None
    readable = _REFUSED.sub(" ", text[:_READ])
    if not readable.strip():
        return None
    try:
        reliable, _, found = pycld2.detect(readable, isPlainText=True)
    except pycld2.error:
        return None
    code = found[0][1].partition("-")[0]  # zh-Hant, sr-ME: a script or a country is no language
    code = _RENAMED.get(code, code)
    return code if reliable and code in LANGUAGES else None
