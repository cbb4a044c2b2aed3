"""What the keys below `model.` may be. Without torch."""

from small_nets.config.cast_value import each, one_or_list, to_float, to_whole
from small_nets.config.components import ACTIVATIONS, INITIALISERS
from small_nets.config.field_types import (
    LARGEST,
    Field,
    boolean,
    integer,
    is_list,
    is_number,
    is_positive,
    list_of,
    nullable,
    number,
    one_of,
)

LAYERS = tuple(name for name, found in ACTIVATIONS.items() if found.is_of_layers)

MODEL_FIELDS: dict[str, Field] = {
    "model.width": nullable(
        Field(
            lambda v: is_positive(v) or is_list(v, is_positive),
            f"a whole number from 1 to {LARGEST}, or a list of them",
            "'[5,5]'",
            cast=one_or_list(to_whole),  # a list of one is the same net
        ),
        "no hidden layer",
    ),
    "model.draw_order": nullable(
        list_of(
            lambda v: v is None or is_positive(v) or is_list(v, is_positive),
            "a list with a width for each net (up to 1,000), model.width among them",
            example="'[5,10,[5,5]]'",
            cast=one_or_list(to_whole),
            most=1000,
        ),
        "this net alone",
    ),
    "model.activation": one_of(LAYERS, example="tanh"),
    "model.output_activation": one_of(LAYERS, example="identity"),
    "model.outputs": nullable(integer(1, example="2"), "as many as the target has"),
    "model.bias": boolean(example="true"),
    "model.init": one_of(tuple(INITIALISERS), example="xavier"),
    "model.layers": list_of(
        lambda pair: is_list(pair, is_positive, 2),
        "a list of [inputs, outputs], whole numbers from 1",
        example="'[[4,5],[5,2]]'",
        cast=each(to_whole),
    ),
    "model.start": nullable(
        list_of(is_number, "two numbers", example="'[1, 0.5]'", cast=to_float, length=2), "drawn"
    ),
    "model.weight_scale": number(0, example="0.1"),
}
