"""Which of the dearer tiers of capture a model has. Thread: control."""
from engine.errors import ModelError, suggestion
from engine.model.attention import places
from engine.model.heads import projections
from engine.model.lens import lens_of
from engine.records import TIERS, lead_layer


def extras_of(model, model_map, tiers=(), layers=None, chosen=None):
    """Where the dearer tiers can be tapped: {"T3": Projections, "T4": places, "lens": Lens,
    "chosen": layers}.

    tiers   those wanted; one that no layer has is left out
    layers  only these, from 0 (None: all);  chosen  whose rows travel whole (None: the lead layer)
    raises  ModelError for a layer that the model does not have
    """
    found, depth = {}, len(model_map.blocks)
    if strange := [tier for tier in tiers if tier not in TIERS]:
        raise ModelError(f"no tier {strange[0]!r} of capture{suggestion(strange[0], TIERS)}")
    chosen = (lead_layer(depth),) if chosen is None else tuple(chosen)
    for layer in (*(layers or ()), *chosen):
        if not (isinstance(layer, int) and 0 <= layer < depth):
            raise ModelError(f"layer {layer!r}: this model has the layers 0 to {depth - 1}")
    for tier, find in (("T3", projections), ("T4", places)):
        if tier in tiers:
            taps = [tap if layers is None or layer in layers else None
                    for layer, tap in enumerate(find(model, model_map))]
            if any(taps):
                found |= {tier: taps, "chosen": chosen}
    lens = lens_of(model, model_map) if "lens" in tiers else None
    return found | ({"lens": lens} if lens is not None else {})
