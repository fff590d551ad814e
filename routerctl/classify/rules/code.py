r"""A text -> whether there is program code in it: of some thirty languages, in one line or many, within prose or alone.

Told by what people write in code and hardly anywhere else: one sign of that, or two of those that prose has now and
then. RE2 looks for all of them in one pass, whatever the text. Data (JSON, CSV, logs), mathematics and the names of
languages are no code. Measured on tests/data/code_detection.jsonl, half of which was not looked at while this was made.
"""

from __future__ import annotations

from functools import cache

from routerctl.classify.rules.regex import compiled

_SIGNS = (
    # marked as code
    "```",
    r"(?:^|[\s(])`[^`'\s]+[ (){}\[\]=<>$:+*/._-](?:[^`\n]*[^`\s])?`(?:[\s.,;:?!)]|$)",
    # calls, in the spellings of programs: a.b(, ].b(, a_b(, aB(, and a few that everybody calls
    r"\b[A-Za-z_]\w+\.[a-z_]\w+\(|\b[A-Z]\w+\.[A-Z]\w+\(|[)\]}]\.\w+\(|\b[a-z]\w?\.[a-z_]{3,}\w*\(",
    r"\b[a-z]+_\w+\(|\b[a-z]{2,}[A-Z]\w*\(|\w\(&:|\b(?:vec|println|print|format|panic|assert)!\W",
    r"\bprint\([^\s)e]|\b(?:println|printf|len|strlen|malloc|sizeof|isinstance)\(\S|\b(?:alert|require|fetch)\([\"'`]",
    r"^\s*library\(\w+\)|(?:[=(,:]|\breturn|\bthrow) ?new [A-Z]\w*|\b(?:this|self)\.[a-z]\w*(?:[(.\[;]| ?=)",
    r"\w\[[\"']\w+[\"']\]|\w\[\w+\] ?=[^=]|\b\w+\.\w+\(\)|^=[A-Z]+\(",
    r"\b[a-z]\w+\([^\n()]*, ?[a-z_]\w* ?= ?[\w\"'\[]|\b[a-z]\w+\((?:[^\n()]*, ?)?(?:\"[^\"\n]*\"|'[^'\n]*')[,)]",
    # functions and types
    r"\bdef \w+\(|^\s*def [\w.?!]+$|\b(?:func|fn) \w+(?:<[^>\n]*>)?\(|\bfn \w+(?:, ?\w+)* ->|\blocal function\b",
    r"\bfun \w+\([^)\n]*\)[^\n.]*[{=]|\bfunction ?\w*\([^)\n]*\)(?: [\w ]+)?(?:\s*\{| return\b)",
    r"^\s*class \w+(?:\([\w., ]*\))?:\s*$|^\s*@[a-z]\w+(?:\.\w+)*\(",
    r"\b(?:class|interface|struct|enum|union|trait|namespace|impl) \w+(?:<[^>\n]*>)?(?: ?: ?[\w:, ]+)?\s*\{(?:\s|\})",
    r"\b(?:class|interface|impl) \w+ (?:extends|implements|for|where) [\w<>, .]+\{|\btemplate ?<",
    r"\b(?:public|private|protected|internal) (?:(?:static|final|async|override|readonly) )*[\w<>\[\]]+ \w+ ?[({=;]",
    r"\b(?:int|float|char|bool|boolean|void|unsigned|auto|String) [*&]?\w+(?:\[\w*\])?(?: ?=[^=]|\()",
    r"\b(?:double|long|string) [*&]?\w+(?: ?= ?(?:[\d\"'(-]|\w+[.(\[])[^\s;]*;|\((?:\)|\w+ \w))",
    r"\b[A-Z]\w*<\w[\w, ]*> \w+ ?[=({;]|\w::[\w<]|^\w+ :: [\w\[(]|\btypedef \w",
    r"\blambda \w+(?:, ?\w+)*: ?\S*\w[.(\[*+%]",
    r"\btype [A-Z]\w*(?:<[^>\n]*>)? = [^\n]*[|{<\[;]|\b(?:let|var|val) \w+ ?: ?[\w\[\]<>?]+ ?=|\blet mut \w",
    r"^\s*(?:Public |Private )?(?:Sub|Function) \w+\(|^\s*Dim \w+ As |^\s*End (?:Sub|If|Function)\s*$",
    # declarations and assignments
    r"\b(?:const|val|var) (?:\w+|[\[{][\w, ]+[\]}]) ?= ?\S",
    r"\blet (?:\w+|[\[{][\w, ]+[\]}]) ?= ?(?:[\"'`\[{(]|new |\w+[.(])",
    r"\bmy [$@%]\w+ ?[=;]|\blocal \w+ = |\$[A-Za-z_]\w*(?:\[\w+\])? ?=[^=]|\$\w+->\w|\$_[.\[A-Z]|\"\$\{?\w+\}?\"",
    r"\$\([a-z]|#\{\w|\bexport \w+=|\w+ := \w|^[^\n]*\w[\w\])]* ?[-+*/|&]?= ?[^=\n][^\n]*[(\[{\"'][^\n]*;\s*$",
    r"\w <- \w+\(|%>%",
    # control
    r"\b(?:if|for|while|switch|foreach|catch|elseif) ?\([^\n]*\) ?\{|\bfor ?\((?:let|var|int|const|auto)\b",
    r"\bif ?\((?:!|[^()\n]*(?:[!=<>]=|&&|\|\||\w\.\w))[^()\n]*\) \w|\bclass \w+\([^)\n]*\b\w+ ?: ?\w",
    r"\bwhile ?\([^)\n]*(?:\+\+|--|[!=<>]=|\*)|\b[a-z]\w*(?:\+\+|--)[;)]|\[ -[a-z] |\bfor \w+ in [^\n;]+; do\b",
    r"\b(?:if|for|while|match|guard|switch|else|do|try|loop) ?[^\n{}.]*\{(?:[ \t]+\S|\s*$)",
    r"\} ?(?:else|catch|finally)\b",
    r"(?:\)|\b\w+) ?=> ?(?:\{|\(|\w+[.(\[]|\w+ [-+*/] )|\{ ?\|\w+(?:, ?\w+)*\|| do \|\w",
    r"\bfor \w+(?:, ?\w+)* in \w*[.(\[_][^\n:]*:|\[[^\n\]]+ for \w+(?:, ?\w+)* in [^\n\]]+\]",
    r"\w\([^\n()]+ for \w+ in \w",
    r"^\s*except (?:\w+|\([\w, ]+\))(?: as \w+)?:|^\s*with \w[\w.]*\([^\n]*:\s*$",
    # modules
    r"^\s*from [\w.]+ import [\w*(]|^\s*import [\w.]+ as \w+|^\s*import \w+\.\w|\bimport [^\n]+ from [\"']",
    r"^\s*(?:using|use|package|import) [\w.:]+;\s*$|^\s*# ?(?:include ?[<\"]|define \w)|^#!/",
    # SQL
    r"\bSELECT\b[^;]*\bFROM\b|\bSELECT \*|\b(?:INNER|LEFT|RIGHT|OUTER) JOIN\b|\bDELETE FROM\b",
    r"\b(?:GRANT|REVOKE) [A-Z, ]+ ON\b",
    r"(?i:\bselect\s+(?:distinct\s+)?(?:\*|\w+\([^)\n]*\)(?: as \w+)?(?:\s*,[^;.]*)?)\sfrom\s)",
    r"(?i:\bselect\s+[\w.]+(?:\s*,\s*[\w.]+)+\s+from\s+\w+\s*(?:;|\w*\s*(?:where|join|order by|group by|limit)\b))",
    r"(?i:\b(?:select|delete)\b[^;.?!]*\bfrom \w+ where [\w.]+ ?(?:[=<>]|like |in \(|is (?:not )?null))",
    r"(?i:\binsert into \w+ ?(?:\([^)]*\)\s*)?values ?\(|\bupdate \w+ set \w+ ?=)",
    r"(?i:\balter table \w+ (?:add|drop|alter|rename))",
    r"(?i:\bcreate (?:or replace )?(?:table|view|index|function) (?:if not exists )?[\w.]+ ?(?:\(|as\s|on\s))",
    r"(?i:\bdrop table \w)",
    # markup and styles
    r"</[A-Za-z][\w.-]*>|<[A-Za-z][\w.-]*\s[\w:@-]+=[\"'{]|<!(?i:doctype)",
    r"<(?i:br|hr|div|span|ul|li|h[1-6]|tr|td|body|html) ?/?>",
    r"<(?:input|button|select|option|script|style|form|section|nav|img|video)(?: [a-z-]+)*>",
    r"<\?(?:php|xml|=)|[\w)\]] ?\{\s*[a-z-]+ ?: ?[^{}\"\n]+[;}]|@media\b",
    # shell
    r"^\s*git [a-z-]+|\bgit [a-z-]+ (?:-|\.|origin\b|https?:|HEAD)",
    r"\b(?:pip3?|npm|yarn|brew|cargo|gem|apt|apt-get) (?:install|run|uninstall|upgrade)\b",
    r"\bdocker(?:-compose| compose)? [a-z]+\b -",
    r"\bsudo [a-z]|\bchmod [+\d]|\b(?:mkdir|rm|cp|mv) -[a-z]+ |\b(?:kubectl|systemctl|ssh-keygen|terraform) [a-z]",
    r"\b(?:curl|wget|grep|sed|awk|tar|ls|find|ssh|rsync|gcc|python3?|node|head|tail|sort) (?:[./~]\S* )?-{1,2}[A-Za-z]",
    r"\|\s?(?:grep|awk|sed|wc|xargs|jq|tee)\b|\b(?:Where|ForEach|Select)-Object\b|\bGet-[A-Z]\w+ -[A-Z]|&& ?\./",
    # configuration, differences, stack traces, patterns, assembly
    r"^[a-z][\w-]*:[ \t]*\n[ \t]+[a-z][\w-]*:(?:\s|$)|^[a-z][\w.-]*:[^\n=]*\n\t\S",
    r"^\w+ \"[\w-]+\" (?:\"[\w-]+\" )?\{|\b(?:query|mutation)[^\n{.]*\{\s",
    r"^@@ -\d|^(?:---|\+\+\+) [ab]/|Traceback \(most recent|File \"[^\"\n]+\", line \d|^\s*at [\w.$]+\([\w.]+:\d+\)",
    r"\\[dws][+*{]|\(\?[:!=]|(?i:^\s*(?:mov|add|sub|push|pop|lea|cmp|xor) (?:[er]?[abcd]x|[er]?[sd]i|[er]?[sb]p)\b)",
)
_HINTS = (
    r"^\s*\}[\s;)]*$|^\s*(?:end|done|fi)\s*$|^\s*(?:try|else|finally): *$",
    r"^\s*(?:if|elif|for|while) [^\n]+:\s*\n[ \t]+\S",
    r"^\s*import \w+\s*$|\breturn [\w.\"'(\[][^\n.]*;|\blet \w+ = \w",
    r"^[a-z_]\w+ ?= ?[\[{\"'\w]|^[a-z] ?= ?[\[{\"']|^\w+ = \w+\(",
    r"===?[^=]|[a-z)\]\"'] ?!==?|&&|\|\||[-+*/]=|\w\[[ijk0]\]|\w->[a-z_]{2,}|\$[A-Za-z_]\w*|\w\(\)|\|> |^\s*//",
    r"\b[A-Z]\w*(?:Error|Exception)\b|\b(?:undefined|nullptr|NaN)\b|= ?[^=\n]+;\s*$|\bputs |\w\);\s*$",
    r"^(?:FROM [\w./-]+|WORKDIR /|RUN \w|CMD \[|ENTRYPOINT \[|COPY \S+ \S+|ENV \w+|EXPOSE \d)",
    r"\b(?:GROUP|ORDER) BY [\w.]+(?:,| DESC| ASC|\s*;|\s*$)|\bWHERE \w+ ?[=<>]|\bLIMIT \d|\becho [\"'$\w]",
)


def has_code(utf8: bytes) -> bool:
    """Tell whether there is program code in a text."""
    return compiled(_pattern())(utf8)


@cache
def _pattern() -> str:
    hint = f"(?:{'|'.join(_HINTS)})"
    return rf"(?m){'|'.join(_SIGNS)}|{hint}(?:.|\n)*{hint}"
