"""Operations on a running host or router."""
