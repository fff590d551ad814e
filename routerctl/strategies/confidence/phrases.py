"""A reply -> its sentences as plain words, in which phrases of doubt and of refusal are looked for.

Seven languages: English, German, French, Spanish, Italian, Portuguese, Dutch. Phrases are compared as whole words by
plain search, no pattern: the time is linear in the text, whatever it is. It reads words, not meaning: "it is not
unclear" holds "unclear". How much that costs is what calibration measures.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Literal

_LONGEST = 100_000  # characters; what comes after is not read
_END = re.compile("[.!?](?=\\s|\\Z)|[\n\u3002\uff01\uff1f]")  # the last three: of Chinese and Japanese
_WORD = re.compile(r"[\w']+")
_OPENING = 2_000  # characters
_OPENING_SENTENCES = 2  # a refusal comes first; further down, the words are more often quoted or negated
_APOSTROPHES = str.maketrans("\u2019\u2018\u02bc\u00b4`", "'''''")

# Says openly that the answer is not known.
_ADMISSIONS = """
i'm not sure | i am not sure | not entirely sure | not completely sure | not 100 sure | i'm unsure | i am unsure
i don't know | i do not know | i'm not certain | i am not certain | i can't be certain | i cannot be certain
i'm guessing | i am guessing | my best guess | just a guess | i have no idea | i'm not familiar with
i am not familiar with | i can't determine | i cannot determine | it's impossible to say | hard to say for sure
i can't verify | i cannot verify | i don't have enough information | i do not have enough information
not enough information to | cannot be determined | can't be determined
ich bin mir nicht sicher | ich bin nicht sicher | bin mir unsicher | ich weiß nicht | ich weiß es nicht
weiß ich nicht | keine ahnung | ich kann nur raten | lässt sich nicht sagen | kann ich nicht sagen
lässt sich nicht bestimmen | nicht genügend informationen | ohne gewähr
je ne suis pas sûr | je ne suis pas sûre | je ne suis pas certain | je ne suis pas certaine | je ne sais pas
je n'en suis pas sûr | je l'ignore | aucune idée | difficile à dire | impossible de déterminer
pas assez d'informations | je ne peux pas vérifier
no estoy seguro | no estoy segura | no lo sé | no sé | no tengo certeza | no tengo idea | es difícil decir
no puedo determinar | no se puede determinar | no hay suficiente información | no puedo verificar
non sono sicuro | non sono sicura | non lo so | non ne sono certo | non ho idea | difficile dirlo
non posso determinare | informazioni insufficienti
não tenho certeza | não sei | não estou certo | não estou certa | não faço ideia | difícil dizer
não é possível determinar | informações insuficientes
ik weet het niet | ik weet niet | ik ben niet zeker | niet helemaal zeker | geen idee | moeilijk te zeggen
onvoldoende informatie
"""
# Leaves a way out.
_HEDGES = """
maybe | perhaps | possibly | probably | presumably | i think | i believe | i guess | i suppose | i assume
i would guess | i'd guess | it seems | seems to be | appears to be | might be | might have been
as far as i know | as far as i can tell | to my knowledge | if i recall | if i remember correctly | if i'm not mistaken
unclear | not clear | uncertain | ambiguous | roughly speaking | more or less | take this with
vielleicht | möglicherweise | wahrscheinlich | vermutlich | eventuell | ich denke | ich glaube | ich vermute
ich nehme an | es scheint | anscheinend | könnte sein | dürfte | soweit ich weiß | meines wissens
wenn ich mich recht erinnere | unklar | ungewiss | nicht eindeutig
peut être | peut-être | probablement | sans doute | il se peut | je pense | je crois | je suppose | il semble
il me semble | semble être | pourrait être | à ma connaissance | si je me souviens bien | sauf erreur
incertain | pas clair | quizá | quizás | tal vez | a lo mejor
probablemente | posiblemente | creo que | pienso que | supongo | me parece
parece ser | podría ser | puede que | hasta donde sé | si no me equivoco | si mal no recuerdo | incierto | no está claro
forse | probabilmente | possibilmente | magari | penso che | credo che | suppongo | mi sembra | sembra che
potrebbe essere | per quanto ne so | se non sbaglio | se ricordo bene | incerto | non è chiaro
talvez | provavelmente | possivelmente | acho que | creio que | suponho | parece que | poderia ser
que eu saiba | se não me engano | incerto | não está claro
misschien | waarschijnlijk | mogelijk | vermoedelijk | ik denk | ik geloof | ik vermoed | het lijkt | zou kunnen
voor zover ik weet | als ik me niet vergis | onduidelijk | onzeker
"""
# Declines to answer.
_REFUSALS = """
i can't help with | i cannot help with | i can not help with | i can't help you with | i cannot help you with
i can't assist | i cannot assist | i can't do that | i cannot do that | i can't fulfill | i cannot fulfill
i can't comply | i cannot comply | i can't answer | i cannot answer | i can't provide | i cannot provide
i can't discuss | i cannot discuss | i can't share | i cannot share | i can't generate | i cannot generate
i can't create | i cannot create | i can't support | i cannot support | i won't be able to | i won't help
i will not help | i won't provide | i will not provide | i'm unable to | i am unable to | i'm not able to
i am not able to | i must decline | i have to decline | i decline to | i refuse to | i'd rather not | i would rather not
i'm sorry but i can't | i am sorry but i cannot | i'm sorry but i cannot | i'm sorry i can't | sorry i can't
sorry i cannot | as an ai i can't | as an ai i cannot | as an ai language model | against my guidelines
not something i can help with
kann ich nicht helfen | kann ich dir nicht helfen | kann ich ihnen nicht helfen | kann ihnen dabei nicht helfen
kann dir dabei nicht helfen | kann ich nicht beantworten | das kann ich nicht | kann diese anfrage nicht
kann dazu keine auskunft | darf ich nicht | ich muss ablehnen | das muss ich ablehnen | ich lehne das ab
tut mir leid aber ich kann | es tut mir leid ich kann | leider kann ich nicht | leider kann ich ihnen nicht
leider kann ich dir nicht | ich bin nicht in der lage | als ki kann ich | als sprachmodell
je ne peux pas vous aider | je ne peux pas t'aider | je ne peux pas aider | je ne peux pas répondre
je ne peux pas fournir | je ne peux pas faire | je ne suis pas en mesure | je ne suis pas autorisé
je suis désolé mais je ne peux | désolé mais je ne peux | désolé je ne peux | je dois refuser | je refuse de
en tant qu'ia je ne | en tant que modèle de langage
no puedo ayudar | no puedo ayudarte | no puedo ayudarle | no puedo responder | no puedo proporcionar
no puedo cumplir | no puedo hacer eso | no me es posible | no soy capaz de | lo siento pero no puedo
lo siento no puedo | debo rechazar | tengo que rechazar | me niego a | como modelo de lenguaje | como ia no puedo
non posso aiutare | non posso aiutarti | non posso aiutarla | non posso rispondere | non posso fornire
non sono in grado di | mi dispiace ma non posso | mi dispiace non posso | devo rifiutare | mi rifiuto di
come modello linguistico
não posso ajudar | não posso ajudá lo | não posso ajudar com | não posso responder | não posso fornecer
não sou capaz de | não consigo ajudar | desculpe mas não posso | sinto muito mas não posso | devo recusar
recuso me a | como modelo de linguagem
daar kan ik niet mee helpen | ik kan je niet helpen | ik kan u niet helpen | ik kan niet helpen
dat kan ik niet | ik kan geen antwoord | ik ben niet in staat | het spijt me maar ik kan | sorry maar ik kan
ik moet weigeren | ik weiger | als taalmodel
"""


Kind = Literal["admission", "hedge", "refusal"]


def sentences(text: str) -> list[str]:
    """Split a text into sentences as words in lower case between single blanks; what has no word is left out."""
    found = (_words(part) for part in _END.split(text[:_LONGEST]))
    return [one for one in found if one]


def opening(text: str) -> list[str]:
    """Give a text's first sentences, in which a refusal would stand."""
    return sentences(text[:_OPENING])[:_OPENING_SENTENCES]


def holding(said: Sequence[str], kind: Kind) -> list[bool]:
    """Tell of each sentence whether a phrase of this kind stands in it, as whole words."""
    whole = "".join(said)
    present = [phrase for phrase in phrases(kind) if phrase in whole]  # few: a long text is not searched for all again
    return [any(phrase in one for phrase in present) for one in said]


@cache
def phrases(kind: Kind) -> tuple[str, ...]:
    """List the phrases of a kind as `sentences` would write them: casefolding makes ss of ß."""
    lines = {"admission": _ADMISSIONS, "hedge": _HEDGES, "refusal": _REFUSALS}[kind].strip().splitlines()
    return tuple(sorted({_words(phrase) for line in lines for phrase in line.split("|")}))


def _words(text: str) -> str:
    folded = unicodedata.normalize("NFC", text.casefold()).translate(_APOSTROPHES)
    words = " ".join(_WORD.findall(folded))
    return f" {words} " if words else ""
