"""Marking a class: submissions read where they can do no harm, networks checked, marks written."""
