"""The request line: an inquiry and routes.yaml -> an answer and the decision that says why.

`deciding` names the class, `steps` says who would be asked in which order and where, `asking` asks one place, `paying`
keeps every call within its budgets, `serving` holds it together, `explaining` says it in words. Nothing is re-exported
here: deciding and explaining are on the path of every start and import no asyncio, no SDK and no template engine.
"""
