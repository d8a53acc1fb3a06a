// The element type f16 of multiply-add.

enable f16;

alias Elem = f16;
