// The element type f32 of multiply-add.

alias Elem = f32;
