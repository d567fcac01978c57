"""
Codecs, resampling and mixing: arrays of samples in, arrays of samples out.
"""
