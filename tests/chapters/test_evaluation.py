"""error_analysis grid_search random_search successive_halving"""
