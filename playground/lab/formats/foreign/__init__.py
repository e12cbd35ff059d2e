"""What readers of other tools' files share: notes, scripts understood, paths, names."""
