"""The grader: releases assignments, checks answers, grades submissions."""
