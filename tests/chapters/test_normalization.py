"""BatchNorm placeholder"""
