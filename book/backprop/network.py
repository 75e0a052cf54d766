"""A network as the list of its parameters: the same rules for NumPy and PyTorch."""


def layers_of(input, parameters, real):
    """The parameters as pairs (weight, bias); ValueError unless each fits the one before.

    real : given a parameter and its name, returns it, or a TypeError unless its numbers are real.
    """
    if len(parameters) < 2 or len(parameters) % 2:
        raise ValueError(
            f"parameters: expected a weight and a bias for each layer, got {len(parameters)} arrays"
        )
    parameters = [real(array, f"parameter {k}") for k, array in enumerate(parameters, start=1)]
    pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
    size = input.shape[1] if input.ndim == 2 else None
    for number, (weight, bias) in enumerate(pairs, start=1):
        if weight.ndim != 2 or weight.shape[1] != size or bias.shape != weight.shape[:1]:
            raise ValueError(
                f"layer {number}: expected input (N, D), weight (H, D) and bias (H,) that fit, got "
                f"{f'input {tuple(input.shape)}' if number == 1 else f'{size} inputs'}, "
                f"{tuple(weight.shape)} and {tuple(bias.shape)}"
            )
        size = weight.shape[0]
    return pairs
