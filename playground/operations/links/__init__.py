"""Operations on links and switches, before their lab runs and while it does."""
