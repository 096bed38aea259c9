"""How far a meter's clock is off and what that means for its values: pure."""
