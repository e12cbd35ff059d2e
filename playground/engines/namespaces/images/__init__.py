"""Sources of the hosts' roots: images as folders, made by Docker or by buildah."""
