"use strict";
Live.data("batch-norm", {"start":{"numbers":[1,1,3,3],"shift":0,"spread":1,"gamma":1,"beta":0,"momentum":0.1,"eps":1e-05},"eps":[1e-05,0.1,1]});
